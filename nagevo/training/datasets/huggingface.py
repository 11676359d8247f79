"""Images in a local folder of class folders or Parquet files, or of the hub of Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.files import one_line
from nagevo.foundation.options import Option
from nagevo.foundation.tables import PARQUET
from nagevo.training.datasets.base import Pool, Source, split_called
from nagevo.training.datasets.folders import read_folders
from nagevo.training.datasets.labels import classify
from nagevo.training.datasets.parquet import ParquetImages, ParquetTable, read_parquet, stored_image

if TYPE_CHECKING:
    from datasets import Dataset


def huggingface(
    *,
    path: Annotated[
        str | None,
        Option("Local folder with a folder for each class or with Parquet files, or a Parquet file.", path=True),
    ] = None,
    hub: Annotated[str | None, Option("In place of `path`, name of a dataset of Hugging Face's hub.")] = None,
    subset: Annotated[str | None, Option("Subset, of a dataset of the hub that has several.")] = None,
    image_column: Annotated[str, Option("Column of the images.")] = "image",
    label_column: Annotated[str, Option("Column of the classes.")] = "label",
    classes: Annotated[
        Sequence[str] | None,
        Option(
            "Names of the classes: in the order of labels that are numbers, and the order of the outputs where labels "
            "are names; null for the dataset's own names, else the labels."
        ),
    ] = None,
    splits: Annotated[
        Mapping[str, str] | None,
        Option("Splits of the dataset that serve as train, validation and test; null for those of these names."),
    ] = None,
) -> Source:
    """Return the images of a local folder or of a dataset on Hugging Face's hub.

    Folders or files called ``train``, ``validation`` and ``test``, in any capitals and usual spelling, are splits.

    Raises
    ------
    ConfigError
        If a split, class or column is none of the dataset's.
    DataError
        If it cannot be read.
    """
    if hub is not None and path is None:
        return _of_hub(hub, subset, splits, image_column, label_column, classes)
    if path is None or hub is not None:
        raise ConfigError("dataset: expected one of path (a local folder or file) and hub (a dataset of the hub)")
    root = Path(path).expanduser()
    if not root.exists():
        raise DataError(f"dataset.path: {path} does not exist; a dataset of the hub is named by dataset.hub")
    if root.is_file() and root.suffix.lower() not in PARQUET:
        raise DataError(f"dataset.path: expected a folder or a Parquet file, got {path}")
    tables = [root] if root.is_file() else _parquet_files(root)
    if tables:
        return _of_parquet(read_parquet(root, tables, splits), root, image_column, label_column, classes)
    files, labels = read_folders(root, splits, label_column)
    names, indices = classify(labels, f"dataset {root}", classes=classes)
    return Source(root.name, names, {split: Pool(files[split], indices[split]) for split in files})


def _parquet_files(root: Path) -> list[Path]:
    """Return the Parquet files in a folder, at any depth, other than those that label images beside them."""
    found = (path for path in root.rglob("*") if path.suffix.lower() in PARQUET)
    return sorted(path for path in found if path.stem != "metadata" and not path.name.startswith("."))


def _of_parquet(
    tables: Mapping[str, ParquetTable], root: Path, image_column: str, label_column: str, classes: Sequence[str] | None
) -> Source:
    for split, table in tables.items():  # others than images for training may lack labels
        _check_columns(table.columns, root, image_column, *([label_column] if split == "train" else []))
    stored = {split: table.values(label_column) for split, table in tables.items()}
    noted = next(iter(tables.values())).class_names(label_column)
    names, indices = classify(stored, f"dataset {root}", names=noted, classes=classes)
    pools = {split: Pool(ParquetImages(table, image_column), indices[split]) for split, table in tables.items()}
    return Source(root.stem, names, pools)


def _of_hub(
    hub: str,
    subset: str | None,
    splits: Mapping[str, str] | None,
    image_column: str,
    label_column: str,
    classes: Sequence[str] | None,
) -> Source:
    from datasets import ClassLabel, Image, load_dataset

    if Path(hub).exists():
        raise ConfigError(f"dataset.hub: {hub} is a local folder or file, which is named by dataset.path")
    try:
        tables = load_dataset(hub, subset)
    except Exception as error:  # the library raises many kinds, of the file system and of the network
        raise DataError(f"dataset.hub: {hub} cannot be read: {one_line(error)}") from None
    same_names = {split: name for name in tables if (split := split_called(name))}
    ours = same_names if splits is None else splits
    for theirs in ours.values():
        if theirs not in tables:
            raise ConfigError(f"dataset.splits: dataset {hub} has no split {theirs}; it has {', '.join(tables)}")
    chosen = {split: tables[name] for split, name in ours.items()}
    for table in chosen.values():
        _check_columns(table.column_names, hub, image_column, label_column)
    feature = next(iter(tables.values())).features[label_column]
    stored = {split: table.with_format(None)[label_column][:] for split, table in chosen.items()}
    noted = feature.names if isinstance(feature, ClassLabel) else None
    names, indices = classify(stored, f"dataset {hub}", names=noted, classes=classes)
    pools = {
        split: Pool(HubImages(table.cast_column(image_column, Image(decode=False)), image_column), indices[split])
        for split, table in chosen.items()
    }
    return Source(Path(hub).name, names, pools)


class HubImages(Sequence):
    """The image column of a table of the library ``datasets``, read from disk image by image."""

    def __init__(self, table: Dataset, column: str):
        self.table, self.column = table.select_columns(column), column

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> bytes | Path | np.ndarray | None:  # type: ignore[override]
        """Return the encoded image, the name of its file, or None where there is none."""
        return stored_image(self.table[row][self.column], Path())


def _check_columns(has: Sequence[str], where: str | Path, *columns: str) -> None:
    for column in columns:
        if column not in has:
            raise ConfigError(
                f"dataset {where} has no column {column}; it has {', '.join(has)}: set image_column and label_column"
            )
