"""Surrogates of accuracies from an earlier experiment or from cheap readings, as priors for full readings."""

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


def fit_readings(
    space: SearchSpace,
    known: Measurements,
    *,
    surrogate: SurrogateName,
    prior: AccuracySurrogate | None = None,
    seed: int,
) -> AccuracySurrogate:
    """Return a surrogate of the accuracies in some measurements; ``prior`` is one of what was known before these."""
    error = known.readings[STANDARD_ERROR]
    features = space.features(known.choices)
    return fit_accuracy(features, known.accuracy, standard_error=error, surrogate=surrogate, prior=prior, seed=seed)


def fit_cheap(
    space: SearchSpace,
    cheap: Measurements | None,
    *,
    surrogate: SurrogateName,
    prior: AccuracySurrogate | None = None,
    seed: int,
) -> AccuracySurrogate | None:
    """Return a surrogate of cheap readings with a prior of their own, or that prior where there are too few."""
    if cheap is None or np.isfinite(cheap.accuracy).sum() < MIN_MEASUREMENTS:
        return prior
    return fit_readings(space, cheap.expected(), surrogate=surrogate, prior=prior, seed=seed)


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
