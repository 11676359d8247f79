"""The generator on disk: safetensors, JSON and XGBoost's UBJ, listed with checksums in ``manifest.json``; no pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nagevo.foundation.errors import BundleError, DataError
from nagevo.foundation.files import read_json, write_json

FORMAT = 4
"""Version of the layout; a bundle of another version is refused."""

MANIFEST, OWN = "manifest.json", "checksum"
"""The manifest, and its key for the checksum of all its other keys."""


def seal(folder: Path, description: Mapping[str, Any]) -> None:
    """Write the manifest: the description, the format, and the checksums of every file in the folder and of itself."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    checksums = {name: checksum(folder / name) for name in files if name != MANIFEST}
    manifest = {"format": FORMAT, **description, "files": checksums}
    write_json(manifest | {OWN: own_checksum(manifest)}, folder / MANIFEST)


def open_manifest(bundle: str | os.PathLike) -> dict[str, Any]:
    """Return the manifest of a bundle whose files are all there.

    Raises
    ------
    BundleError
        If it is no bundle, of another format, or its manifest was changed.
    """
    folder = Path(bundle)
    if not folder.is_dir():
        raise BundleError(f"bundle {folder} does not exist; run `snakemake --cores 8 all` to make one")
    try:
        manifest = read_json(folder / MANIFEST)
    except DataError as error:
        raise BundleError(f"bundle {folder} has no readable manifest: {error}") from None
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != FORMAT
        or not isinstance(manifest.get("files"), dict)
    ):
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise BundleError(f"bundle {folder} has format {found!r}; this nagevo reads format {FORMAT}: distill it again")
    if manifest.get(OWN) != own_checksum(manifest):
        raise BundleError(f"bundle {folder}: {MANIFEST} is damaged or was changed (checksum differs): distill it again")
    return manifest


def verified(bundle: str | os.PathLike, manifest: Mapping[str, Any], name: str) -> Path:
    """Return the path of a file of the bundle whose content is what the manifest says.

    Raises
    ------
    BundleError
        If the file is absent, not listed, or changed.
    """
    path = Path(bundle) / name
    if "\0" in name or not path.resolve().is_relative_to(Path(bundle).resolve()):
        raise BundleError(f"bundle {bundle} names {name!r}, which lies outside of the bundle: do not trust it")
    if name not in manifest["files"]:
        raise BundleError(f"bundle {bundle} does not list {name}: distill it again")
    if not os.path.isfile(path):
        raise BundleError(f"bundle {bundle} lacks its file {name}: distill it again")
    if checksum(path) != manifest["files"][name]:
        raise BundleError(f"bundle {bundle}: {name} is damaged or was changed (checksum differs): distill it again")
    return path


def own_checksum(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its own checksum, however it is laid out as text."""
    content = {key: value for key, value in manifest.items() if key != OWN}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
