"""Labeled images where they are stored, what splits are made of them, and what networks see."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.spaces.base import SearchSpace
from nagevo.training.datasets.decoding import decoded, failure_of
from nagevo.training.datasets.labels import UNLABELED

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
"""Which split folders and files of these names hold, in any capitals."""
IMBALANCE = 2.0
"""Ratio of the most frequent to the rarest class from which it is reported."""

log = logging.getLogger(__name__)


def split_called(name: str) -> str | None:
    """Return the split that a folder or file of a name holds, in any capitals, or None.

    >>> split_called("Training"), split_called("VAL"), split_called("cats")
    ('train', 'validation', None)
    """
    return SPELLINGS.get(name.lower())


@dataclass(frozen=True)
class Pool:
    """Images as they are stored, with their classes.

    Attributes
    ----------
    images : sequence of bytes, path or ndarray
        Encoded images, names of image files, or pixels, shape (height, width) or (height, width, channels).
    labels : ndarray of int64, shape (n,)
        Indices of classes; -1 where an image has no label.
    """

    images: Sequence[bytes | str | Path | np.ndarray | None]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Source:
    """A dataset as its publisher splits it.

    Attributes
    ----------
    name : str
    classes : tuple of str
    pools : mapping of str to Pool
        ``train``, and those of ``validation`` and ``test`` that there are.
    """

    name: str
    classes: tuple[str, ...]
    pools: Mapping[str, Pool]

    def __post_init__(self):
        if "train" not in self.pools:
            raise DataError(f"dataset {self.name} has no split train; it has {', '.join(self.pools) or 'none'}")
        for split, pool in self.pools.items():
            if not len(pool):
                raise DataError(f"dataset {self.name} has no images in its split {split}")
            if not UNLABELED <= pool.labels.min() <= pool.labels.max() < len(self.classes):
                raise DataError(
                    f"dataset {self.name}: expected labels from 0 to {len(self.classes) - 1}, one for each class, "
                    f"got {pool.labels.min()} to {pool.labels.max()} in its split {split}"
                )
        check_two_classes(self.name, self.classes, self.pools["train"].labels)


def check_two_classes(name: str, classes: Sequence[str], labels: np.ndarray) -> None:
    """Check that the training images of a dataset are of two classes at least.

    Raises
    ------
    DataError
    """
    found = np.unique(labels[labels != UNLABELED])
    if len(found) < 2:
        only = f"only {classes[found[0]]}" if len(found) else "no labels"
        raise DataError(f"dataset {name}: expected at least two classes of training images, got {only}")


@dataclass(frozen=True)
class Split:
    """Decoded images of one shape and their classes.

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

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of each channel, float32 of shape (channels,), full scale being 1."""
        counts = np.zeros((self.images.shape[1], 256), dtype=np.int64)
        for image in self.images:  # one by one: bincount takes eight bytes for each pixel
            counts += [np.bincount(channel.ravel(), minlength=256) for channel in image]
        values, shares = np.arange(256) / 255, counts / counts.sum(axis=1, keepdims=True)  # (channels, 256)
        mean = shares @ values
        variance = (shares * (values - mean[:, None]) ** 2).sum(axis=1)
        return mean.astype(np.float32), np.maximum(np.sqrt(variance), 1e-3).astype(np.float32)


class ImageDataset:
    """Three disjoint splits of labeled images, each decoded when it is first asked for.

    Parameters
    ----------
    source : Source
    rows : mapping of str to (str, ndarray of int)
        For each split the pool of the source and the rows of it that it consists of.
    shape : tuple of int
        Channels, height and width that images are given.
    crop : float
        Share of the shorter side of an image that is kept.
    mean, std : sequence of float, optional
        Of each channel, in units of full scale; those of the training images by default.
    """

    def __init__(
        self,
        source: Source,
        rows: Mapping[str, tuple[str, np.ndarray]],
        shape: tuple[int, int, int],
        *,
        crop: float = 1.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ):
        for key, values in (("mean", mean), ("std", std)):
            if values is not None and len(values) != shape[0]:
                raise ConfigError(
                    f"dataset.{key}: expected a number for each of {shape[0]} channels, got {len(values)}"
                )
        self.source, self.rows, self.shape, self.crop = source, rows, shape, crop
        self._given = mean, std
        self._splits: dict[str, Split] = {}

    def resized(self, shape: tuple[int, int, int]) -> ImageDataset:
        """Return the same images, split and normalized alike, in another shape."""
        mean, std = (values.tolist() for values in self.statistics)
        return ImageDataset(self.source, self.rows, shape, crop=self.crop, mean=mean, std=std)

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.source.classes

    def labels(self, name: str) -> np.ndarray:
        """Return the classes of a split, unreadable images among them, without decoding anything."""
        pool, rows = self.rows[name]
        return self.source.pools[pool].labels[rows]

    def split(self, name: str) -> Split:
        """Return the split called ``train``, ``validation`` or ``test``; what cannot be read is reported and left out.

        Raises
        ------
        DataError
            If none of its images can be read.
        """
        if name not in self._splits:
            pool, rows = self.rows[name]
            images, failures = decoded(self.source.pools[pool].images, rows, self.shape, self.crop, f"Reading {name}")
            readable = np.isin(np.arange(len(rows)), list(failures), invert=True)
            self._report_failures(name, len(rows), failures)
            labels = self.labels(name)[readable]
            if name == "train" and failures:
                check_two_classes(self.name, self.classes, labels)
            self._splits[name] = Split(images[readable] if failures else images, labels)
        return self._splits[name]

    def check_readable(self) -> None:
        """Check that each split has an image that can be read, decoding no more than the first of them.

        Raises
        ------
        DataError
        """
        for name, (pool, rows) in self.rows.items():
            images = self.source.pools[pool].images
            first = ""
            for row in rows.tolist():
                failure = failure_of(images, row, self.shape, self.crop)
                if not failure:
                    break
                first = first or failure
            else:
                self._report_failures(name, len(rows), {0: first} | dict.fromkeys(range(1, len(rows)), ""))

    def table(self) -> pd.DataFrame:
        """Return which image went into which split: ``split``, ``file`` (or ``pool`` and ``row``) and ``class``."""
        import pandas as pd

        parts = []
        for split, (pool, rows) in self.rows.items():
            images = self.source.pools[pool].images
            in_files = isinstance(images[int(rows[0])], str | Path)
            where = {"file": [str(images[row]) for row in rows]} if in_files else {"pool": pool, "row": rows}
            names = np.asarray(self.classes, dtype=object)[self.labels(split)]
            parts.append(pd.DataFrame({"split": split, **where, "class": names}))
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each channel, float32 of shape (channels,), full scale being 1."""
        measured = self.split("train").statistics() if None in self._given else self._given
        chosen = [own if given is None else given for given, own in zip(self._given, measured, strict=True)]
        return tuple(np.asarray(values, dtype=np.float32) for values in chosen)

    def _report_failures(self, split: str, n: int, failures: Mapping[int, str]) -> None:
        if not failures:
            return
        first = next(iter(failures.values()))
        if len(failures) == n:
            raise DataError(f"dataset {self.name}: none of the {n} images of split {split} can be read: {first}")
        log.warning(
            "dataset %s: %d of %d images of split %s cannot be read and are left out, the first: %s",
            *(self.name, len(failures), n, split, first),
        )


def check_classes(dataset: ImageDataset, space: SearchSpace) -> None:
    """Check that the networks of the space have an output for each class.

    Raises
    ------
    ConfigError
        If the numbers differ.
    """
    classes = getattr(space, "classes", len(dataset.classes))
    if classes != len(dataset.classes):
        raise ConfigError(
            f"dataset {dataset.name} has {len(dataset.classes)} classes, but {space} has {classes}: set space.classes"
        )


def report_imbalance(dataset: ImageDataset) -> None:
    """Log how unequal the classes of the training images are, where one has over twice the images of another."""
    counts = np.bincount(dataset.labels("train"), minlength=len(dataset.classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > IMBALANCE * counts[least]:
        log.warning(
            "dataset %s: classes are unequal, from %d training images of %s to %d of %s, whose share is %.1f %%",
            *(dataset.name, counts[least], dataset.classes[least], counts[most], dataset.classes[most]),
            100 * counts[most] / counts.sum(),
        )
