"""Images in Parquet files, one row each."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.files import one_line
from nagevo.training.datasets.base import SPLITS, split_called


class ParquetTable:
    """Some Parquet files of equal columns, one after the other.

    Parameters
    ----------
    paths : sequence of path
    """

    def __init__(self, paths: Sequence[Path]):
        from pyarrow.parquet import ParquetFile

        self.paths, self.files = paths, []
        for path in paths:
            try:
                self.files.append(ParquetFile(path, page_checksum_verification=True, pre_buffer=False))
            except Exception as error:  # pyarrow raises many kinds for a damaged file
                raise DataError(f"dataset {path} cannot be read as Parquet: {one_line(error)}") from None

    @property
    def columns(self) -> list[str]:
        """Names of the columns that all files have."""
        names = [file.schema_arrow.names for file in self.files]
        return [name for name in names[0] if all(name in other for other in names)]

    def values(self, column: str) -> list:
        """Return a whole column as Python values; None throughout where there is no such column."""
        if column not in self.columns:
            return [None] * sum(file.metadata.num_rows for file in self.files)
        try:
            tables = [file.read([column], use_threads=False) for file in self.files]
            return [value for table in tables for value in table[column].to_pylist()]
        except Exception as error:
            raise DataError(f"dataset {self.paths[0].parent}: column {column}: {one_line(error)}") from None

    def class_names(self, column: str) -> list[str] | None:
        """Return the names that the library ``datasets`` notes for the labels 0, 1, … of a column."""
        try:
            noted = json.loads((self.files[0].schema_arrow.metadata or {})[b"huggingface"])
            return list(noted["info"]["features"][column]["names"])
        except (KeyError, TypeError, ValueError):
            return None


class ParquetImages(Sequence):
    """The image column of some Parquet files, read one row group after the other.

    Parameters
    ----------
    column : str
        Encoded images (binary, or with ``bytes`` and ``path`` as the library ``datasets`` stores them), names of image
        files, or lists of pixels.
    """

    def __init__(self, table: ParquetTable, column: str):
        self.table, self.column = table, column
        self._groups = [(file, group) for file in table.files for group in range(file.num_row_groups)]
        sizes = [file.metadata.row_group(group).num_rows for file, group in self._groups]
        self._ends = list(accumulate(sizes))
        self._read: tuple[int, list] | None = None

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, row: int) -> bytes | Path | np.ndarray | None:  # type: ignore[override]
        """Return the encoded image, the name of its file, its pixels, or None where there is none."""
        if not 0 <= row < len(self):
            raise IndexError(row)
        number = bisect_right(self._ends, row)
        if self._read is None or self._read[0] != number:
            file, group = self._groups[number]
            self._read = number, file.read_row_group(group, [self.column], use_threads=False)[self.column].to_pylist()
        values = self._read[1]
        folder = self.table.paths[self.table.files.index(self._groups[number][0])].parent
        return stored_image(values[row - self._ends[number] + len(values)], folder)


def stored_image(value: Any, folder: Path) -> bytes | Path | np.ndarray | None:
    """Return an image as it stands in a cell: encoded, the name of its file, its pixels, or None."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str):
        return folder / value
    return np.asarray(value) if isinstance(value, list) else value


def read_parquet(root: Path, files: Sequence[Path], splits: Mapping[str, str] | None) -> dict[str, ParquetTable]:
    """Return the tables of the splits of a dataset.

    Parameters
    ----------
    files : sequence of path
        The Parquet files in it, at any depth. Which split one belongs to is a word in its name or in that of its
        folder: ``train-00000-of-00002.parquet``, ``data/test/0.parquet``.
    splits : mapping of str to str, optional
        Names of the dataset's own splits.

    Raises
    ------
    ConfigError
        If there is no split of a name in ``splits``.
    DataError
        If a file cannot be read, or belongs to no split or to two.
    """
    members: dict[str, list[Path]] = {}
    for file in files:
        members.setdefault(_split_of(file, root), []).append(file)
    if splits is not None:
        usual = {ours: members.get(split_called(theirs) or "", []) for ours, theirs in splits.items()}
        chosen = {ours: members.get(theirs, usual[ours]) for ours, theirs in splits.items()}
        absent = [splits[ours] for ours, group in chosen.items() if not group]
        if absent:
            has = ", ".join(sorted(members, key=lambda name: (*SPLITS, name).index(name)))
            raise ConfigError(f"dataset.splits: dataset {root} has no split {absent[0]}; it has {has}")
        return {ours: ParquetTable(group) for ours, group in chosen.items()}
    if not any(map(split_called, members)):
        return {"train": ParquetTable(files)}
    strays = [file for name, group in members.items() if not split_called(name) for file in group]
    if strays:
        raise DataError(
            f"dataset {root}: {strays[0].relative_to(root)} belongs to no split, but others do: move it away, or name "
            "the splits in dataset.splits"
        )
    return {name: ParquetTable(group) for name, group in members.items()}


def _split_of(file: Path, root: Path) -> str:
    """Return the split of a file: of the usual ones, else what its name says before numbers."""
    if file == root:
        return "train"
    *folders, stem = file.relative_to(root).with_suffix("").parts
    words = [word for part in (*folders, stem) for word in re.split(r"[^a-z]+", part.lower())]
    found = {split for split in map(split_called, words) if split}
    if len(found) > 1:
        raise DataError(f"dataset {root}: {file.relative_to(root)} names two splits: {', '.join(sorted(found))}")
    return found.pop() if found else re.sub(r"[-_.]?\d.*$", "", stem)
