"""Labeled images by name, split and decoded to the shape that a space takes."""

from __future__ import annotations

from collections.abc import Sequence

from nagevo.foundation.registry import create, resolve
from nagevo.training.datasets.base import SPLITS, ImageDataset, Pool, Source, Split, check_classes, report_imbalance
from nagevo.training.datasets.splitting import choose_rows

DATASETS = {
    "mnist5k": "nagevo.training.datasets.mnist5k:mnist5k",
    "idx": "nagevo.training.datasets.idx:idx",
    "huggingface": "nagevo.training.datasets.huggingface:huggingface",
}
"""By name: functions of their own options that return a :class:`Source`."""

__all__ = ["DATASETS", "SPLITS", "ImageDataset", "Pool", "Source", "Split", "check_classes", "load_images"]


def load_images(
    name: str,
    shape: tuple[int, int, int],
    *,
    seed: int = 0,
    train: float | None = None,
    validation: float | None = None,
    test: float | None = None,
    crop: float = 1.0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **options,
) -> ImageDataset:
    """Return the dataset called ``name`` (built in, or ``package.module:function``) with its options.

    Parameters
    ----------
    name : str
    shape : tuple of int
        Channels, height and width that the images are given.
    seed : int
        Fixes which images belong to which split.
    train, validation, test : float, optional
        Images in each split; numbers below 1 are shares. They come from the dataset's own split of that name, or are
        set aside from its training images where it has none. By default all of the own split, else a tenth (validation)
        and a fifth (test) of the training images; all others are trained on.
    crop : float
        Share of the shorter side of an image that the square cut out of its center has.
    mean, std : sequence of float, optional
        Of each channel, in units of full scale; those of the training images by default.
    **options
        Of the dataset itself.

    Raises
    ------
    ConfigError
        If there is no such dataset or option.
    DataError
        If the images cannot be read, or there are too few.
    """
    source = create("dataset", resolve("dataset", name, DATASETS), **options)
    rows = choose_rows(source, {"train": train, "validation": validation, "test": test}, seed=seed)
    dataset = ImageDataset(source, rows, shape, crop=crop, mean=mean, std=std)
    report_imbalance(dataset)
    return dataset
