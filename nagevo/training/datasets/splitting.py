"""Which examples of a dataset belong to which split."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.training.datasets.base import SPLITS, Source
from nagevo.training.datasets.labels import UNLABELED

log = logging.getLogger(__name__)

SHARES = {"validation": 0.1, "test": 0.2}
"""Shares of the training examples that are set aside where a dataset has no such split and no number is asked for."""


def choose_rows(source: Source, sizes: Mapping[str, float | None], *, seed: int) -> dict[str, tuple[str, np.ndarray]]:
    """Return for each split the pool that it is drawn from and its rows there, every class in its share.

    Parameters
    ----------
    sizes : mapping of str to float or None
        For each of ``SPLITS`` its examples, or below 1 their share of the pool; None for the default.

    Raises
    ------
    DataError
        If a split would be empty, or there are too few examples.
    """
    labeled = {name: _labeled(pool.labels) for name, pool in source.pools.items()}
    for name, kept in labeled.items():
        n = len(source.pools[name])
        if not len(kept):
            log.warning(
                "dataset %s: the examples of split %s have no labels; training examples take their place",
                source.name,
                name,
            )
        elif len(kept) < n:
            log.warning(
                "dataset %s: %d of %d examples of split %s have no label and are left out",
                source.name,
                n - len(kept),
                n,
                name,
            )
    homes = {split: split if len(labeled.get(split, ())) else "train" for split in SPLITS}
    rows: dict[str, tuple[str, np.ndarray]] = {}
    for name in dict.fromkeys(homes.values()):
        members = [split for split in SPLITS if homes[split] == name]
        counts = _counts({split: sizes[split] for split in members}, own=name, n=len(labeled[name]))
        parts = partition(source.pools[name].labels[labeled[name]], counts, seed=seed)
        rows |= {split: (name, labeled[name][part]) for split, part in parts.items()}
    return {split: rows[split] for split in SPLITS}


def _labeled(labels: np.ndarray) -> np.ndarray:
    """Return the rows that have a label, or a label for each of their tokens."""
    return np.flatnonzero((labels != UNLABELED).reshape(len(labels), -1).all(axis=1))


def _counts(sizes: Mapping[str, float | None], *, own: str, n: int) -> dict[str, int]:
    """Return the examples of each split that comes out of one pool of n; the pool's own takes what the others leave."""
    asked = {split: SHARES.get(split) if size is None and split != own else size for split, size in sizes.items()}
    counts = {split: max(1, round(size * n)) if size < 1 else int(size) for split, size in asked.items() if size}
    rest = n - sum(counts.values())
    return {split: counts.get(split, rest) for split in sizes}


def partition(labels: np.ndarray, sizes: Mapping[str, int], *, seed: int) -> dict[str, np.ndarray]:
    """Return rows of disjoint random splits of the given sizes, each with the classes in their overall shares.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,), or (n, length) for sequences of a text, whose splits are consecutive
    sizes : mapping of str to int

    Raises
    ------
    DataError
        If a split is empty, or there are too few examples.
    """
    if min(sizes.values()) < 1 or sum(sizes.values()) > len(labels):
        asked = ", ".join(f"{name} {max(size, 0)}" for name, size in sizes.items())
        raise DataError(f"expected splits of at least 1 and together at most {len(labels)} examples, got {asked}")
    order = _stratified(labels, np.random.default_rng(seed)) if labels.ndim == 1 else np.arange(len(labels))
    parts = np.split(order, np.cumsum(list(sizes.values())))
    return dict(zip(sizes, parts, strict=False))


def _stratified(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random order of which every stretch has the classes in nearly their overall shares."""
    shuffled = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(place, kind="stable")
