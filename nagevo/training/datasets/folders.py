"""Images in files: a folder for each class, with or without a folder for each split around them."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.tables import read_table, refuse
from nagevo.training.datasets.base import split_called

ENDINGS = re.compile(r"\.(jpe?g?|jfif|png|bmp|dib|gif|webp|tiff?|p[pgbn]m|jp2|avif)", re.IGNORECASE)
"""Endings of the names of image files."""
METADATA = tuple(f"metadata{ending}" for ending in (".csv", ".tsv", ".parquet"))
"""Names of a table, with a column ``file_name``, that labels the images of its folder."""

log = logging.getLogger(__name__)


@dataclass
class Folder:
    """A folder that holds images, and those of its folders that do."""

    path: Path
    images: list[Path] = field(default_factory=list)
    folders: dict[str, Folder] = field(default_factory=dict)
    metadata: Path | None = None


def read_folders(
    root: Path, splits: Mapping[str, str] | None, label_column: str
) -> tuple[dict[str, list[Path]], dict[str, list]]:
    """Return the image files of each split, and a label for each of them: None where an image has none.

    Parameters
    ----------
    root : path
        With class folders; or with folders of these, called ``train``, ``validation`` and ``test`` in any capitals and
        usual spelling.
    splits : mapping of str to str, optional
        Names of the folders of the splits.
    label_column : str
        Column of the labels where a table ``metadata.csv`` holds them.

    Raises
    ------
    ConfigError
        If there is no folder of a name in ``splits``.
    DataError
        If it cannot be told which images belong to which class and split.
    """
    others: Counter[str] = Counter()
    whole = _walked(root, others)
    if others:
        endings = ", ".join(f"{n} {ending or 'without ending'}" for ending, n in others.most_common(5))
        log.warning("dataset %s: files whose names do not end like those of images are left out: %s", root, endings)
    chosen = _chosen(whole, splits)
    files, labels = {}, {}
    for split, folder in chosen.items():
        files[split], labels[split] = _labeled(folder, label_column, needed=split == "train")
    return files, labels


def _walked(path: Path, others: Counter[str], around: tuple[Path, ...] = ()) -> Folder:
    """Return the images in a folder, which lies in others; the endings of other files are counted."""
    folder, around = Folder(path), (*around, path.resolve())
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if entry.is_dir():
            if Path(entry.path).resolve() in around:
                continue  # a link to a folder that it lies in
            inner = _walked(Path(entry.path), others, around)
            if inner.images or inner.folders or inner.metadata:
                folder.folders[entry.name] = inner
        elif ENDINGS.fullmatch(Path(entry.name).suffix):
            folder.images.append(Path(entry.path))
        elif entry.name in METADATA:
            folder.metadata = Path(entry.path)
        else:
            others[Path(entry.name).suffix.lower()] += 1
    return folder


def _chosen(whole: Folder, splits: Mapping[str, str] | None) -> dict[str, Folder]:
    """Return the folder of each split; the whole as ``train`` where it has no folders for splits."""
    if splits is not None:
        for theirs in splits.values():
            if theirs not in whole.folders:
                has = ", ".join(whole.folders) or "no folder with images"
                raise ConfigError(f"dataset.splits: dataset {whole.path} has no split {theirs}; it has {has}")
        return {ours: whole.folders[theirs] for ours, theirs in splits.items()}
    named = {name: split for name in whole.folders if (split := split_called(name))}
    if not any(whole.folders[name].folders or whole.folders[name].metadata for name in named):
        if named and set(named) == set(whole.folders):
            raise DataError(
                f"dataset {whole.path}: expected class folders in {', '.join(named)}, got images alone: move those of "
                f"each class to {whole.path / next(iter(named))}/<class>"
            )
        return {"train": whole}  # a class may have the name of a split
    strays = [name for name in whole.folders if name not in named]
    if strays:
        raise DataError(
            f"dataset {whole.path} has folders for splits ({', '.join(named)}) beside others ({', '.join(strays)}): "
            "move these away, or name the folders of the splits in dataset.splits"
        )
    twice = [name for name, split in named.items() if list(named.values()).count(split) > 1]
    if twice:
        raise DataError(f"dataset {whole.path} has two folders for one split: {', '.join(twice)}")
    return {split: whole.folders[name] for name, split in named.items()}


def _labeled(folder: Folder, label_column: str, *, needed: bool) -> tuple[list[Path], list]:
    """Return the images of a split with their labels."""
    if folder.metadata is not None:
        table, where = read_table(folder.metadata, ("file_name", label_column)), f"table {folder.metadata}"
        named = table["file_name"]
        refuse(table, "file_name", named.isna().to_numpy(), "the name of a file", where)
        refuse(table, "file_name", named.duplicated().to_numpy(), "a file that no row above names", where)
        return [folder.path / str(name) for name in table["file_name"]], table[label_column].tolist()
    if needed and len(folder.folders) < 2:
        raise DataError(f"found no two class folders in {folder.path}{_advice(folder)}")
    for name, inner in folder.folders.items():
        if inner.folders:
            deep = next(iter(inner.folders.values())).path
            raise DataError(f"expected images in the class folder {folder.path / name}, got further folders: {deep}")
    pairs: list[tuple[Path, str | None]] = [
        (file, name) for name, inner in folder.folders.items() for file in inner.images
    ]
    pairs += [(file, None) for file in folder.images]
    return [file for file, _ in pairs], [label for _, label in pairs]


def _advice(folder: Folder) -> str:
    """Return how a folder without two class folders could be meant."""
    if not folder.folders:
        return ": its images lie in no folders" if folder.images else ": it holds no images"
    (name, inner), *_ = folder.folders.items()
    if len(inner.folders) > 1:
        return f": did you mean {inner.path}, which has {', '.join(list(inner.folders)[:5])}?"
    return f": the only one is {name}"
