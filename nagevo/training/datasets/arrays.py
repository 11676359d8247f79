"""Numbers of any fixed shape, such as windows of a sensor's signals, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import one_line
from nagevo.foundation.options import Option
from nagevo.foundation.tables import PARQUET, read_table
from nagevo.training.datasets.base import SPELLINGS, Pool, Source, split_called
from nagevo.training.datasets.labels import classify


def arrays(
    *,
    path: Annotated[
        str,
        Option("File `.npz` or Parquet with `inputs`, `labels` and, where it has splits, `split`.", path=True),
    ],
    classes: Annotated[
        Sequence[str] | None,
        Option("Names of the classes in the order of the labels; null for the labels themselves."),
    ] = None,
) -> Source:
    """Return the examples in a file: ``inputs`` (numbers, shape (n, …)), ``labels`` (n) and optionally ``split`` (n).

    Raises
    ------
    ConfigError
        If ``classes`` are not those of the labels.
    DataError
        If the file cannot be read, or does not hold such arrays.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"dataset.path: {path} does not exist")
    where = f"dataset {file}"
    stored = _from_parquet(file) if file.suffix.lower() in PARQUET else _from_npz(file)
    for name in ("inputs", "labels"):
        if name not in stored:
            raise DataError(f"{where} has no array {name}; it has {', '.join(stored) or 'none'}")
    inputs, labels = _numbers(stored["inputs"], where), stored["labels"]
    splits = _splits(stored.get("split"), len(inputs), where)
    for name, length in (("labels", len(labels)), ("split", len(splits))):
        if length != len(inputs):
            raise DataError(f"{where}: expected as many {name} as inputs, {len(inputs)}, got {length}")
    rows = {split: np.flatnonzero(splits == split) for split in dict.fromkeys(splits.tolist())}
    names, indices = classify({split: labels[part] for split, part in rows.items()}, where, classes=classes)
    pools = {split: Pool(inputs[part], indices[split]) for split, part in rows.items()}
    return Source(file.stem, names, pools, kind="arrays")


def _from_npz(file: Path) -> dict[str, np.ndarray]:
    try:
        stored = np.load(file)
        if isinstance(stored, np.ndarray):
            raise ValueError("expected several named arrays (numpy.savez), got one")
        with stored:
            return {name: np.atleast_1d(stored[name]) for name in stored.files}
    except Exception as error:  # numpy raises many kinds for a damaged file
        raise DataError(f"dataset {file} cannot be read as npz: {one_line(error)}") from None


def _from_parquet(file: Path) -> Mapping[str, np.ndarray]:
    table = read_table(file)
    columns = {str(name): table[name].to_numpy(dtype=object) for name in table}
    if "inputs" in columns:
        columns["inputs"] = _stacked(columns["inputs"], f"dataset {file}")
    return columns


def _stacked(cells: np.ndarray, where: str) -> np.ndarray:
    """Return a column of nested lists as one array."""
    rows = [np.array(cell.tolist() if isinstance(cell, np.ndarray) else cell) for cell in cells]
    for number, row in enumerate(rows, start=1):
        if row.shape != rows[0].shape:
            raise DataError(f"{where}, row {number}: expected inputs of shape {rows[0].shape}, got {row.shape}")
    return np.array(rows)


def _numbers(inputs: np.ndarray, where: str) -> np.ndarray:
    if inputs.dtype.kind not in "fiub" or inputs.ndim < 2:
        raise DataError(
            f"{where}: expected inputs of numbers, shape (n, …), got {inputs.dtype} of shape {inputs.shape}"
        )
    return inputs


def _splits(given: np.ndarray | None, n: int, where: str) -> np.ndarray:
    """Return the split of each example; all are for training where nothing is given."""
    if given is None:
        return np.full(n, "train")
    ours = [split_called(str(name)) for name in given.tolist()]
    if None in ours:
        row = ours.index(None)
        expected = f"one of {', '.join(SPELLINGS)}"
        raise DataError(f"{where}, row {row + 1}: expected as split {expected}, got {given[row]}")
    return np.array(ours)
