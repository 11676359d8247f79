"""Measurements of an earlier experiment in the same or a related space, with which a search begins."""

from __future__ import annotations

import os

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.frontier import frontier
from nagevo.learn.fitting import MIN_MEASUREMENTS, SurrogateName, fit_accuracy
from nagevo.learn.surrogate import AccuracySurrogate
from nagevo.measure.measurements import STANDARD_ERROR, Measurements
from nagevo.spaces.base import SearchSpace, unique


def read_prior(path: str | os.PathLike, space: SearchSpace) -> Measurements:
    """Return the measurements of an earlier experiment.

    Raises
    ------
    DataError
        If the file is absent, damaged, not one of measurements of the space, or has fewer than two accuracies.
    """
    known = Measurements.from_files([path], space).expected()
    n = int(np.isfinite(known.accuracy).sum())
    if n < MIN_MEASUREMENTS:
        raise DataError(f"prior {path}: expected at least {MIN_MEASUREMENTS} accuracies, got {n}")
    return known


def fit_prior(space: SearchSpace, known: Measurements, *, surrogate: SurrogateName, seed: int) -> AccuracySurrogate:
    """Return a surrogate of the accuracies of an earlier experiment."""
    error = known.readings[STANDARD_ERROR]
    return fit_accuracy(
        space.features(known.choices), known.accuracy, standard_error=error, surrogate=surrogate, seed=seed
    )


def best_known(known: Measurements, n: int) -> np.ndarray:
    """Return n or fewer architectures, spread over the frontiers of all devices of an earlier experiment.

    If it measured no device, they are the most accurate ones.
    """
    measured = {device: table for device in known.devices if len(table := known.complete(device))}
    if not measured:
        order = np.argsort(-known.accuracy, kind="stable")  # NaN last
        return known.choices[order[: min(n, int(np.isfinite(known.accuracy).sum()))]]
    frontiers = [table.choices[frontier(table.objectives(device))] for device, table in measured.items()]
    members = unique(np.concatenate(frontiers))
    return members[np.unique(np.linspace(0, len(members) - 1, n).round().astype(int))]
