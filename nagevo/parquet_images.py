"""Images in Parquet files, as Hugging Face stores them: CIFAR-10 and its like."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from nagevo.datasets import ImageDataset, Split, partition
from nagevo.errors import DataError

COLUMNS = ("image", "label")


def parquet(*, seed: int = 0, path: str, validation: int = 5000) -> ImageDataset:
    """Return the images of a folder with ``train.parquet``, ``test.parquet`` and ``classes.txt``.

    Parameters
    ----------
    seed : int
        Fixes which training images are set aside for validation.
    path : str
        The folder. Its tables have a column ``image`` (a struct with the encoded image in ``bytes``) and a column
        ``label`` (the number of a line of ``classes.txt``).
    validation : int
        Training images that are set aside; all others are trained on.

    Raises
    ------
    DataError
        If a file is absent, is no such table, or holds images of several sizes.
    """
    folder = Path(path)
    train, test = (_read(folder / f"{split}.parquet") for split in ("train", "test"))
    classes = _read_classes(folder / "classes.txt")
    if max(train.labels.max(), test.labels.max()) >= len(classes):
        raise DataError(f"{folder}: a label is no line of classes.txt, which has {len(classes)} lines")
    sizes = {"validation": validation, "train": len(train) - validation}
    parts = partition(train.images, train.labels, sizes, seed=seed)
    return ImageDataset(folder.name, classes, parts["train"], parts["validation"], test)


def _read_classes(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text().splitlines())
    except FileNotFoundError:
        raise DataError(f"file {path} does not exist") from None


def _read(path: Path) -> Split:
    """Return the images of one file, shape (n, channels, height, width), with their labels."""
    import pyarrow.parquet as pq
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise DataError(f"table {path} does not exist")
    try:
        table = pq.read_table(path, columns=list(COLUMNS))
        encoded = [image["bytes"] for image in table["image"].to_pylist()]
        images = np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in encoded])
        labels = table["label"].to_numpy().astype(np.int64)
    except (OSError, ValueError, KeyError, TypeError, UnidentifiedImageError) as error:
        raise DataError(f"table {path} cannot be read as images and labels: {error}".splitlines()[0]) from None
    images = images[..., None] if images.ndim == 3 else images  # (n, height, width, channels)
    return Split(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels)
