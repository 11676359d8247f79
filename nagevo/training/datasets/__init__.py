"""Labeled images by name, split and decoded to the shape that a space takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from nagevo.foundation.options import Option, Signature
from nagevo.foundation.registry import Kind
from nagevo.training.datasets.base import SPLITS, ImageDataset, Pool, Source, Split, check_classes, report_imbalance
from nagevo.training.datasets.splitting import choose_rows

DATASETS = Kind(
    "dataset",
    {
        "mnist5k": "nagevo.training.datasets.mnist5k:mnist5k",
        "idx": "nagevo.training.datasets.idx:idx",
        "huggingface": "nagevo.training.datasets.huggingface:huggingface",
    },
)
"""By name: functions of their own options that return a :class:`Source`."""

__all__ = ["DATASETS", "IMAGES", "SPLITS", "ImageDataset", "Pool", "Source", "Split", "check_classes", "load_images"]


def load_images(
    name: Annotated[str, Option("Name of the dataset, or `package.module:function`.", component=DATASETS)],
    shape: tuple[int, int, int],
    *,
    seed: int = 0,
    train: Annotated[
        float | None,
        Option("Images for training, below 1 their share; null for all others.", gt=0),
    ] = None,
    validation: Annotated[
        float | None,
        Option(
            "Images for validation, below 1 their share; null for its own split, else a tenth of the training images.",
            gt=0,
        ),
    ] = None,
    test: Annotated[
        float | None,
        Option(
            "Images for test, below 1 their share; null for its own split, else a fifth of the training images.", gt=0
        ),
    ] = None,
    crop: Annotated[
        float,
        Option("Side of the central square that is kept of an image, as a share of its shorter side.", gt=0, le=1),
    ] = 1.0,
    mean: Annotated[
        Sequence[float] | None,
        Option("Mean of each channel for normalization; null for that of the training images.", "full scale"),
    ] = None,
    std: Annotated[
        Sequence[Annotated[float, Option("", gt=0)]] | None,
        Option(
            "Standard deviation of each channel for normalization; null for that of the training images.", "full scale"
        ),
    ] = None,
    **options: Any,
) -> ImageDataset:
    """Return the dataset called ``name`` (built in, or ``package.module:function``) with its options.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width that the images are given.
    seed : int
        Fixes which images belong to which split.
    **options
        Of the dataset itself.

    Raises
    ------
    ConfigError
        If there is no such dataset or option.
    DataError
        If the images cannot be read, or there are too few.
    """
    source = DATASETS.create(name, **options)
    rows = choose_rows(source, {"train": train, "validation": validation, "test": test}, seed=seed)
    dataset = ImageDataset(source, rows, shape, crop=crop, mean=mean, std=std)
    dataset.check_readable()
    report_imbalance(dataset)
    return dataset


IMAGES = Signature(load_images, provided=("shape", "seed"))
"""The options of a section ``dataset``."""
