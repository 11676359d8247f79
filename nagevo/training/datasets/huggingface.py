"""Images that the library ``datasets`` of Hugging Face reads: class folders, Parquet files, or a dataset of its hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.options import Option
from nagevo.training.datasets.base import SPLITS, Pool, Source

if TYPE_CHECKING:
    from datasets import Dataset


def huggingface(
    *,
    path: Annotated[
        str,
        Option(
            "Folder with a folder for each class or with Parquet files, or the name of a dataset of the hub.", path=True
        ),
    ],
    subset: Annotated[str | None, Option("Subset, of a dataset that has several.")] = None,
    image_column: Annotated[str, Option("Column of the images.")] = "image",
    label_column: Annotated[str, Option("Column of the classes.")] = "label",
    classes: Annotated[
        Sequence[str] | None,
        Option("Names of the classes in the order of the labels; null for the dataset's own, else the labels."),
    ] = None,
    splits: Annotated[
        Mapping[str, str] | None,
        Option("Splits of the dataset that serve as train, validation and test; null for those of these names."),
    ] = None,
) -> Source:
    """Return the images of a local folder or of the hub.

    Raises
    ------
    ConfigError
        If a split or column is none of the dataset's.
    DataError
        If it cannot be read.
    """
    from datasets import Image, load_dataset

    try:
        tables = load_dataset(path, subset)
    except Exception as error:  # the library raises many kinds, of the file system and of the network
        where = "the folder" if Path(path).is_dir() else "there is no such folder, and the dataset of the hub"
        reason = f"{error}".splitlines() or [type(error).__name__]
        raise DataError(f"dataset {path}: {where} cannot be read: {reason[0]}") from None
    same_names = {ours: ours for ours in SPLITS if ours in tables or ours == "train"}
    chosen = same_names if splits is None else dict(splits)
    for theirs in chosen.values():
        if theirs not in tables:
            raise ConfigError(f"dataset.splits: dataset {path} has no split {theirs}; it has {', '.join(tables)}")
    tables = {ours: _checked(tables[theirs], path, image_column, label_column) for ours, theirs in chosen.items()}
    names, labels = _labels(tables, label_column)
    pools = {
        split: Pool(EncodedImages(table.cast_column(image_column, Image(decode=False)), image_column), labels[split])
        for split, table in tables.items()
    }
    return Source(Path(path).name, tuple(classes or names), pools)


class EncodedImages(Sequence):
    """The image column of a table, read from disk image by image.

    Parameters
    ----------
    table : Dataset
    column : str
    """

    def __init__(self, table: Dataset, column: str):
        self.table, self.column = table.select_columns(column), column

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> bytes | str:
        """Return the encoded image, or the name of its file."""
        image = self.table[row][self.column]
        return image["path"] if image["bytes"] is None else image["bytes"]


def _checked(table: Dataset, path: str, *columns: str) -> Dataset:
    for column in columns:
        if column not in table.column_names:
            has = ", ".join(table.column_names)
            raise ConfigError(f"dataset {path} has no column {column}; it has {has}: set image_column and label_column")
    return table


def _labels(tables: Mapping[str, Dataset], column: str) -> tuple[Sequence[str], dict[str, np.ndarray]]:
    """Return the names of the classes and, for each table, their indices, int64 of shape (n,)."""
    from datasets import ClassLabel

    values = {split: np.asarray(table.with_format(None)[column][:]) for split, table in tables.items()}
    feature = next(iter(tables.values())).features[column]
    if isinstance(feature, ClassLabel):
        return feature.names, {split: labels.astype(np.int64) for split, labels in values.items()}
    found = np.unique(np.concatenate(list(values.values())))
    if np.issubdtype(found.dtype, np.integer):
        return [str(label) for label in range(found.max() + 1)], values
    return found.tolist(), {split: np.searchsorted(found, labels) for split, labels in values.items()}
