"""Labeled examples where they are stored, and the splits that are made of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagevo.foundation.errors import ConfigError, DataError, unknown
from nagevo.spaces.base import SearchSpace
from nagevo.training.datasets.inputs import KINDS, Inputs
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
"""Ratio of the most frequent to the rarest class above which a warning is logged."""

log = logging.getLogger(__name__)


def split_called(name: str) -> str | None:
    """Return the split that a folder or file of a name holds, in any capitals, or None.

    >>> split_called("Training"), split_called("VAL"), split_called("cats")
    ('train', 'validation', None)
    """
    return SPELLINGS.get(name.lower())


@dataclass(frozen=True)
class Pool:
    """Examples as they are stored, with their classes.

    Attributes
    ----------
    inputs : sequence of bytes, path or ndarray
        Images: encoded, names of image files, or pixels, shape (height, width) or (height, width, channels). Arrays:
        one array of numbers, shape (n, …). Tokens: indices of classes, shape (n, length).
    labels : ndarray of int64, shape (n,), or (n, length) for tokens
        Indices of classes; -1 where an example has no label.
    """

    inputs: Sequence[bytes | str | Path | np.ndarray | None] | np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Source:
    """A dataset as its publisher splits it.

    Attributes
    ----------
    pools : mapping of str to Pool
        ``train``, and those of ``validation`` and ``test`` that there are.
    kind : {"images", "arrays", "tokens"}
        Kind of the inputs.
    """

    name: str
    classes: tuple[str, ...]
    pools: Mapping[str, Pool]
    kind: str = "images"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise DataError(f"dataset {self.name}: {unknown('kind', self.kind, KINDS)}")
        if "train" not in self.pools:
            raise DataError(f"dataset {self.name} has no split train; it has {', '.join(self.pools) or 'none'}")
        for split, pool in self.pools.items():
            if not len(pool):
                raise DataError(f"dataset {self.name} has no examples in its split {split}")
            if not UNLABELED <= pool.labels.min() <= pool.labels.max() < len(self.classes):
                raise DataError(
                    f"dataset {self.name}: expected labels from 0 to {len(self.classes) - 1}, one for each class, "
                    f"got {pool.labels.min()} to {pool.labels.max()} in its split {split}"
                )
        check_two_classes(self.name, self.classes, self.pools["train"].labels)


def check_two_classes(name: str, classes: Sequence[str], labels: np.ndarray) -> None:
    """Check that the training examples of a dataset are of two classes at least.

    Raises
    ------
    DataError
    """
    found = np.unique(labels[labels != UNLABELED])
    if len(found) < 2:
        only = f"only {classes[found[0]]}" if len(found) else "no labels"
        raise DataError(f"dataset {name}: expected at least two classes of training examples, got {only}")


@dataclass(frozen=True)
class Split:
    """Examples of one shape as they are kept in memory, and their classes.

    Attributes
    ----------
    inputs : ndarray, shape (n, *shape)
    labels : ndarray of int64, shape (n,), or (n, length) for tokens
        Indices of classes.
    """

    inputs: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


class Dataset:
    """Three disjoint splits of labeled examples, each read when it is first asked for.

    Parameters
    ----------
    rows : mapping of str to (str, ndarray of int)
        For each split its pool of the source, and its rows there.
    form : Inputs
        Inputs of the networks; normalization that is not given is measured on the training split.
    """

    def __init__(self, source: Source, rows: Mapping[str, tuple[str, np.ndarray]], form: Inputs):
        self.source, self.rows, self._asked = source, rows, form
        self._splits: dict[str, Split] = {}

    def resized(self, shape: tuple[int, ...]) -> Dataset:
        """Return the same examples, split and normalized alike, in another shape."""
        return Dataset(self.source, self.rows, self.form.resized(shape))

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.source.classes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an input."""
        return self._asked.shape

    @cached_property
    def form(self) -> Inputs:
        """The inputs of networks, normalized as asked or by the training split."""
        return self._asked if self._asked.is_fitted else self._asked.fitted(self.split("train").inputs)

    def labels(self, name: str) -> np.ndarray:
        """Return the classes of a split, those of unreadable examples among them, without reading any."""
        pool, rows = self.rows[name]
        return self.source.pools[pool].labels[rows]

    def split(self, name: str) -> Split:
        """Return the split called ``train``, ``validation`` or ``test``, less the examples that cannot be read.

        Raises
        ------
        DataError
            If none of its examples can be read.
        """
        if name not in self._splits:
            pool, rows = self.rows[name]
            inputs, failures = self._asked.read(self.source.pools[pool].inputs, rows, f"Reading {name}")
            self._report_failures(name, len(rows), failures)
            readable = np.isin(np.arange(len(rows)), list(failures), invert=True)
            labels = self.labels(name)[readable]
            if name == "train" and failures:
                check_two_classes(self.name, self.classes, labels)
            self._splits[name] = Split(inputs[readable] if failures else inputs, labels)
        return self._splits[name]

    def check_readable(self) -> None:
        """Check that each split has an example that can be read, reading no more than the first of them.

        Raises
        ------
        DataError
        """
        for name, (pool, rows) in self.rows.items():
            failures = {}
            for place in range(len(rows)):
                _, failed = self._asked.read(self.source.pools[pool].inputs, rows[[place]], "Reading")
                if not failed:
                    break
                failures[place] = failed[0]
            else:
                self._report_failures(name, len(rows), failures)

    def table(self) -> pd.DataFrame:
        """Return which example is in which split: ``split``, ``file`` (or ``pool`` and ``row``) and ``class``.

        Sequences of tokens have no column ``class``: each token has its own label.
        """
        import pandas as pd

        parts = []
        for split, (pool, rows) in self.rows.items():
            inputs, labels = self.source.pools[pool].inputs, self.labels(split)
            in_files = isinstance(inputs[int(rows[0])], str | Path)
            columns = {"file": [str(inputs[row]) for row in rows]} if in_files else {"pool": pool, "row": rows}
            if labels.ndim == 1:
                columns["class"] = np.asarray(self.classes, dtype=object)[labels]
            parts.append(pd.DataFrame({"split": split, **columns}))
        return pd.concat(parts, ignore_index=True)

    def _report_failures(self, split: str, n: int, failures: Mapping[int, str]) -> None:
        if not failures:
            return
        first = failures[min(failures)]
        if len(failures) == n:
            raise DataError(f"dataset {self.name}: none of the {n} examples of split {split} can be read: {first}")
        log.warning(
            "dataset %s: %d of %d examples of split %s cannot be read and are left out, the first: %s",
            *(self.name, len(failures), n, split, first),
        )


def check_fits(dataset: Dataset, space: SearchSpace) -> None:
    """Check that the networks of a space take the inputs of a dataset and have an output for each class.

    Raises
    ------
    ConfigError
    """
    here = f"dataset {dataset.name}"
    stored = dataset.source.pools["train"].inputs
    if isinstance(stored, np.ndarray) and dataset.source.kind != "images" and stored.shape[1:] != dataset.shape:
        raise ConfigError(f"{here} has inputs of shape {stored.shape[1:]}, but {space} takes {dataset.shape}")
    if (space.vocabulary is not None) != (dataset.source.kind == "tokens"):
        takes = "tokens" if space.vocabulary is not None else "images or arrays"
        raise ConfigError(f"{here} holds {dataset.source.kind}, but {space} takes {takes}")
    classes = len(dataset.classes) if space.vocabulary is None else space.vocabulary
    classes = getattr(space, "classes", classes)
    if classes != len(dataset.classes):
        key = "classes" if space.vocabulary is None else "vocabulary"
        raise ConfigError(f"{here} has {len(dataset.classes)} classes, but {space} has {classes}: set space.{key}")


def report_imbalance(dataset: Dataset) -> None:
    """Log how unequal the classes of the training examples are, where one has over twice those of another."""
    labels = dataset.labels("train")
    if labels.ndim > 1:
        return  # tokens of a text are never equally frequent
    counts = np.bincount(labels, minlength=len(dataset.classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > IMBALANCE * counts[least]:
        log.warning(
            "dataset %s: classes are unequal, from %d training examples of %s to %d of %s, whose share is %.1f %%",
            *(dataset.name, counts[least], dataset.classes[least], counts[most], dataset.classes[most]),
            100 * counts[most] / counts.sum(),
        )
