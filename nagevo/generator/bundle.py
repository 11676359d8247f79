"""A generator on disk: safetensors and JSON, listed with their checksums in ``manifest.json``; no pickle."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nagevo.foundation.errors import BundleError, DataError, MissingDependency, NagevoError
from nagevo.foundation.files import one_line, read_json, write_json
from nagevo.foundation.writing import EARLIER, checksum, recover, replacing_folder

if TYPE_CHECKING:
    import numpy as np

FORMAT = 7
"""Version of the layout; a bundle of another version is refused."""

MANIFEST = "manifest.json"
ANSWERS, MODEL, DEVICES, MEASUREMENTS, SURROGATES, WEIGHTS = (
    "answers.safetensors",
    "model.safetensors",
    "devices.safetensors",
    "measurements.safetensors",
    "surrogates.safetensors",
    "weights.safetensors",
)


@dataclass(frozen=True)
class Bundle:
    """The folder of a generator as it was when its manifest was read.

    Attributes
    ----------
    folder : Path
        As it was named, for messages; may be a symbolic link.
    place : Path
        The same as an absolute path.
    manifest : mapping
        The experiment and the devices, and the checksum of every file (``files``).
    """

    folder: Path
    place: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> Bundle:
        """Return the bundle in a folder.

        Raises
        ------
        BundleError
            If there is none, it is of another format, or a file except for the trained weights is absent or changed.
        """
        _check_exists(Path(folder))
        if any(Path(folder).glob(f"{EARLIER}*")):
            with locked(folder):
                recover(folder, MANIFEST)
        with locked(folder, shared=True):
            return cls.read(folder)

    @classmethod
    def read(cls, folder: str | os.PathLike) -> Bundle:
        """Return the bundle in a folder that the caller holds locked; see :meth:`open`."""
        bundle = cls(Path(folder), Path(folder).absolute(), _read_manifest(Path(folder)))
        for name in bundle.manifest["files"]:
            if name != WEIGHTS:  # large, and read for networks only
                bundle.path(name)
        return bundle

    def again(self) -> Bundle:
        """Return the bundle as it is now; the caller holds it locked."""
        return replace(self.read(self.place), folder=self.folder)

    def __contains__(self, name: str) -> bool:
        return name in self.manifest["files"]

    def path(self, name: str) -> Path:
        """Return the path of a file whose content has the checksum in the manifest.

        Raises
        ------
        BundleError
            If the file is absent, not listed, or changed.
        """
        path = self.place / name
        if "\0" in name or not path.resolve().is_relative_to(self.place.resolve()):
            raise BundleError(f"bundle {self.folder} names {name!r}, which lies outside of the bundle: do not trust it")
        if name not in self:
            raise BundleError(f"bundle {self.folder} does not list {name}: distill it again")
        if not os.path.isfile(path):
            raise BundleError(f"bundle {self.folder} lacks its file {name}: distill it again")
        if checksum(path) != self.manifest["files"][name]:
            raise BundleError(
                f"bundle {self.folder}: {name} is damaged or was changed (checksum differs): load it again if a device "
                "was added meanwhile, else distill it again"
            )
        return path

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays in a file of the bundle."""
        from safetensors.numpy import load_file

        path = self.path(name)
        with self.reading(name):
            return load_file(path)

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turn any error in the block into one that names the bundle, because a bundle of others may hold anything."""
        try:
            yield
        except (BundleError, MissingDependency):
            raise
        except NagevoError as error:
            raise BundleError(f"bundle {self.folder}: {error}") from None
        except Exception as error:
            raise BundleError(
                f"bundle {self.folder}: {what} was not written by this nagevo ({one_line(error)}): distill it again"
            ) from None


@contextmanager
def writing(folder: str | os.PathLike, description: Mapping[str, Any]) -> Iterator[Path]:
    """Yield an empty folder whose files become those of a bundle when the block ends without an error.

    A caller that changes an existing bundle holds it :func:`locked` from reading to writing. A symbolic link stays one.

    Raises
    ------
    BundleError
        If the disk is full, or fails.
    OutputError
        If the folder is read-only or holds files that nagevo did not write.
    """
    try:
        with replacing_folder(folder, MANIFEST) as temporary:
            yield temporary
            for path in temporary.rglob("*"):  # safetensors writes files that their owner alone can read
                path.chmod(0o755 if path.is_dir() else 0o644)
            write_json({"format": FORMAT, **description}, temporary / MANIFEST)
    except OSError as error:
        raise BundleError(f"bundle {folder} cannot be written: {error.strerror or error}") from None


@contextmanager
def locked(folder: str | os.PathLike, *, shared: bool = False) -> Iterator[None]:
    """Hold a bundle for changing, alone, or for reading, beside other readers, until the block ends.

    The lock is one of the folder that the bundle lies in, which is there before the bundle is. Where a file system
    cannot lock folders, nobody is kept out.
    """
    try:
        handle = os.open(os.path.dirname(os.path.realpath(folder)), os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def find_bundle(results: str | os.PathLike = "results") -> Path:
    """Return the bundle below a folder that was distilled last; if there are several experiments they are logged.

    Raises
    ------
    BundleError
        If there is none.
    """
    found = [path.parent for path in Path(results).glob(f"*/generator/{MANIFEST}")]
    if not found:
        raise BundleError(f"no bundle below {Path(results).absolute()}; run `snakemake --cores 8 all` or name a bundle")
    latest = max(found, key=_distilled)
    if len(found) > 1:
        import logging

        others = ", ".join(sorted(str(folder) for folder in found if folder != latest))
        logging.getLogger("nagevo").warning(
            "nagevo: %s answers, it was distilled last; there are also %s: choose with --bundle", latest, others
        )
    return latest


def _distilled(folder: Path) -> float:
    """Return when a bundle was distilled: adapting it leaves the model as it was."""
    model = folder / MODEL
    return (model if model.exists() else folder / MANIFEST).stat().st_mtime


def _check_exists(folder: Path) -> None:
    if not os.path.exists(folder):  # nor does a path that no file can have
        near = _suggestion(folder.parent) or "; run `snakemake --cores 8 all` to make one"
        raise BundleError(f"bundle {folder} does not exist{near}")


def _read_manifest(folder: Path) -> dict[str, Any]:
    _check_exists(folder)
    if not folder.is_dir():
        raise BundleError(f"expected the folder of a bundle, got the file {folder}{_suggestion(folder)}")
    if not (folder / MANIFEST).exists():
        raise BundleError(f"{folder} is not a bundle: it has no {MANIFEST}{_suggestion(folder)}")
    try:
        manifest = read_json(folder / MANIFEST)
    except DataError as error:
        raise BundleError(f"bundle {folder} has no readable manifest: {error}") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise BundleError(f"bundle {folder}: {MANIFEST} is not the manifest of a bundle: distill it again")
    if manifest.get("format") != FORMAT:
        versions = manifest.get("versions")
        version = versions.get("nagevo") if isinstance(versions, dict) else None
        writer = f"was written by nagevo {version} and " if isinstance(version, str) else ""
        raise BundleError(
            f"bundle {folder} {writer}has format {manifest.get('format')!r}; "
            f"this nagevo reads format {FORMAT}: distill it again"
        )
    return manifest


def _suggestion(folder: Path) -> str:
    """Return a question that names the bundles nearby, below or above a folder that is none; else nothing."""
    below = (f"generator/{MANIFEST}", f"*/generator/{MANIFEST}") if os.path.isdir(folder) else ()
    near = [path for pattern in below for path in folder.glob(pattern)]
    near += [parent / MANIFEST for parent in folder.absolute().parents if os.path.isfile(parent / MANIFEST)]
    return f"; did you mean {' or '.join(str(path.parent) for path in near[:3])}?" if near else ""
