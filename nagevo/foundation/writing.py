"""Files and folders that are written whole or not at all; nothing that nagevo did not write is ever removed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from nagevo.foundation.errors import OutputError

STAGING, EARLIER = ".nagevo-new-", ".nagevo-old-"
"""Beginnings of the names of temporary files and folders; a folder of earlier files is named like that of the new."""
SNAKEMAKE = ".snakemake_timestamp"
"""File that Snakemake puts into the folders that rules declare as outputs."""
MANIFESTS = ("manifest.json", "network.json", "comparison.json", "figures.json")
"""Names of the files that list what else lies in a folder of nagevo's."""
FILES = "files"
"""Key of a manifest: by name, the SHA-256 of each other file of its folder."""


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an error.

    Where ``path`` is a symbolic link, the file that it points to is replaced.

    Raises
    ------
    OutputError
        If ``path`` is a folder, a device or a read-only file.
    """
    target = writable_file(path)
    with _made(target.parent):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=STAGING, suffix=target.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: str | os.PathLike, manifest: str) -> Iterator[Path]:
    """Yield an empty folder whose files take the place of those that nagevo wrote into ``folder`` earlier.

    That happens when the block ends without an error.

    Parameters
    ----------
    folder : path
        Absent, empty, or with the files of an earlier call and no others.
    manifest : str
        Name of the JSON file by which nagevo knows its own files again: it lists their checksums. What the block
        writes into it is kept.

    Raises
    ------
    OutputError
        If the folder holds a file that is not listed or was changed since, or is a file or read-only.
    """
    target = Path(os.path.realpath(folder))
    check_folder(target, manifest)
    with _made(target), _staging(target) as new:
        yield new
        _seal(new, manifest)
        _exchange(new, target, check_folder(target, manifest), manifest)


@contextmanager
def adding(folder: str | os.PathLike) -> Iterator[Path]:
    """Yield an empty folder whose entries move into ``folder`` when the block ends without an error.

    Raises
    ------
    OutputError
        If the folder has an entry of that name already, or is a file or read-only.
    """
    target = Path(os.path.realpath(folder))
    _check_is_folder(target)
    with _made(target), _staging(target) as new:
        yield new
        _exchange(new, target, [])


def writable_file(path: str | os.PathLike) -> Path:
    """Return the path, symbolic links followed, of a file that is to be written.

    Raises
    ------
    OutputError
        If it is a folder, a device or a read-only file, or lies below a file or in a read-only folder.
    """
    path, target = Path(path), Path(os.path.realpath(path))
    if path.is_dir():
        raise OutputError(f"expected a file to write, got the folder {path}")
    if path.exists() or target.is_symlink():
        if not path.is_file():
            raise OutputError(f"expected a file to write, got {path}, which is not a regular file")
        _check_writable(target)
    _check_is_folder(target.parent)
    return target


def check_not_listed(path: str | os.PathLike) -> None:
    """Refuse to write a single file that a manifest beside it lists: it belongs to that folder.

    Raises
    ------
    OutputError
    """
    target = Path(os.path.realpath(path))
    for manifest in MANIFESTS:
        if target.name in _listed(target.with_name(manifest)):
            raise OutputError(
                f"{path} is one of the files that {target.with_name(manifest)} lists: choose another name"
            )


def check_onnx_name(path: str | os.PathLike) -> None:
    """Refuse to write an ONNX file that others would take for another format, or over a part of a folder of nagevo's.

    Raises
    ------
    OutputError
    """
    if Path(path).suffix.lower() != ".onnx":
        raise OutputError(f"expected a name that ends in .onnx, got {path}")
    check_not_listed(path)


def recover(folder: str | os.PathLike, manifest: str) -> None:
    """Undo a replacement of a folder's files that was begun by a process which was killed.

    Parameters
    ----------
    manifest : str
        As :func:`replacing_folder` takes it.
    """
    target = Path(os.path.realpath(folder))
    for kept in target.glob(f"{EARLIER}*"):
        new = kept.with_name(kept.name.replace(EARLIER, STAGING))
        with suppress(OSError), _locked(new):
            if kept.is_dir():  # the process did not end it meanwhile
                listed = _listed(new / manifest)
                own = [name for name, digest in listed.items() if _is_own(name, digest, new, target)]
                _settle(new, target, kept, own)


def _is_own(name: str, digest: str, new: Path, folder: Path) -> bool:
    """Return whether a new file is where it was written, or has moved into the folder and is the same there."""
    if os.path.lexists(new / name):
        return True
    place = folder / name
    return _is_inside(place, folder) and place.is_file() and checksum(place) == digest


def _is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is below a folder with all symbolic links followed, as the folder's own are."""
    return path.resolve().is_relative_to(folder)


def check_folder(folder: str | os.PathLike, manifest: str) -> list[str]:
    """Return the names of the files that nagevo wrote into a folder, which may be absent.

    A replacement by a process that was killed is undone.

    Parameters
    ----------
    manifest : str
        As :func:`replacing_folder` takes it.

    Raises
    ------
    OutputError
        If the folder cannot be written or holds other files.
    """
    target = Path(os.path.realpath(folder))
    _check_is_folder(target)
    if not target.is_dir():
        return []
    recover(target, manifest)
    listed, names = _listed(target / manifest), []
    for name in _file_names(target):
        if name not in listed:
            raise OutputError(f"{folder} holds {name}, which nagevo did not write there: choose another folder")
        if name != manifest and checksum(target / name) != listed[name]:
            raise OutputError(f"{folder} holds {name}, which was changed since nagevo wrote it: choose another folder")
        names.append(name)
    return names


def checksum(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's content."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _listed(manifest: Path) -> dict[str, str]:
    """Return the checksums that a manifest lists, itself included; none where it is absent or not nagevo's."""
    try:
        files = json.loads(manifest.read_text())[FILES]
        own = all(len(bytes.fromhex(digest)) == hashlib.sha256().digest_size for digest in files.values())
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}
    return {**files, manifest.name: ""} if own else {}


def _seal(folder: Path, manifest: str) -> None:
    """Write the checksums of all files of a folder into its manifest, unless they are there."""
    path = folder / manifest
    content = json.loads(path.read_text()) if path.exists() else {}
    if FILES not in content:
        content[FILES] = {name: checksum(folder / name) for name in sorted(_file_names(folder)) if name != manifest}
        path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def _file_names(folder: Path) -> Iterator[str]:
    """Yield the relative names of all files, and links to folders, below a folder, but for temporary ones."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        folders[:] = sorted(name for name in folders if name not in links and not name.startswith((STAGING, EARLIER)))
        for name in (*files, *links):
            if name != SNAKEMAKE:
                yield Path(place, name).relative_to(folder).as_posix()


def _check_is_folder(folder: Path) -> None:
    """Check that a folder, or the nearest one above it that exists, is a folder that can be written to."""
    there = folder
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise OutputError(f"expected a folder to write to, got the file {there}")
    _check_writable(there)


def _check_writable(path: Path) -> None:
    """Refuse a write-protected path, even for the administrator, whom the system would let write to it."""
    if not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(path, os.W_OK):
        raise OutputError(f"{path} is read-only")


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder with its parents; those that stay empty are removed after an error."""
    absent = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for place in absent:
            with suppress(OSError):  # no longer empty
                place.rmdir()
        raise


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder in a folder; those that killed processes left there are removed."""
    for left in folder.glob(f"{STAGING}*"):
        with suppress(OSError), _locked(left):
            if not _earlier(left).exists():  # else it is needed to recover what it was to replace
                shutil.rmtree(left)
    new = Path(tempfile.mkdtemp(dir=folder, prefix=STAGING))
    try:
        with _locked(new):
            yield new
    finally:
        if not _earlier(new).exists():
            shutil.rmtree(new, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process.

    Raises
    ------
    OSError
        If another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _earlier(new: Path) -> Path:
    """Return the folder in which files are kept while those of a temporary folder take their place."""
    return new.with_name(new.name.replace(STAGING, EARLIER))


def _exchange(new: Path, folder: Path, earlier: Sequence[str], manifest: str | None = None) -> None:
    """Move the files of ``new`` into a folder, in the place of earlier ones; an error before the last move undoes all.

    The manifest moves last, over the earlier one: from then on the folder is that of the new files. A process that is
    killed leaves the earlier files beside the new ones, for :func:`recover`.
    """
    kept = _earlier(new)
    if manifest is not None:
        kept.mkdir(mode=0o700)
    names = sorted(_file_names(new), key=lambda name: (name == manifest, name))
    away = [name for name in earlier if name != manifest]
    overwritten = {folder / name for name in earlier if name == manifest}
    moves = [(folder / name, kept / name) for name in away] + [(new / name, folder / name) for name in names]
    try:
        for source, place in moves:
            place.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(place) and place not in overwritten:
                raise OutputError(f"{place} exists already: choose another folder")
            os.rename(source, place)
    finally:
        _settle(new, folder, kept, names)


def _settle(new: Path, folder: Path, kept: Path, names: Sequence[str]) -> None:
    """Undo an exchange, or end it if all files are in their place, as the last one is.

    It can be interrupted and done again, since ``new`` stays as long as ``kept`` is there.
    """
    if names and os.path.lexists(new / names[-1]):
        for name in names:
            if not os.path.lexists(new / name):
                os.rename(folder / name, new / name)
        for name in list(_file_names(kept)):
            if not os.path.lexists(folder / name) and _is_inside(folder / name, folder):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.rename(kept / name, folder / name)
        _remove_empty(folder, names)
        if any(_file_names(kept)):  # what is in their place is not nagevo's
            return
    else:
        _remove_empty(folder, list(_file_names(kept)))
    shutil.rmtree(kept, ignore_errors=True)


def _remove_empty(folder: Path, names: Sequence[str]) -> None:
    """Remove the folders in which named files were, where they are empty now."""
    for name in names:
        for place in Path(name).parents[:-1]:
            with suppress(OSError):
                (folder / place).rmdir()
