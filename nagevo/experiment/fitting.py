"""The steps that fit surrogates, for the workflow's command and for learning in one process."""

from __future__ import annotations

import os
from dataclasses import replace

from nagevo.foundation.errors import DataError
from nagevo.learn.fitting import SurrogateName, fit_latency
from nagevo.learn.prior import fit_cheap, fit_readings, read_prior
from nagevo.learn.surrogate import AccuracySurrogate, LatencySurrogate
from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import SearchSpace


def fit_accuracies(
    space: SearchSpace,
    measurements: Measurements,
    *,
    surrogate: SurrogateName = "mix",
    prior: str | os.PathLike | None = None,
    seed: int = 0,
) -> AccuracySurrogate:
    """Return a surrogate of the measured accuracies, cheap readings included.

    Parameters
    ----------
    surrogate : {"mix", "evidence", "pairs", "xgboost"}
    prior : path, optional
        Table of measurements of an earlier experiment.

    Raises
    ------
    DataError
        If fewer than two are known.
    """
    before = None if prior is None else fit_readings(space, read_prior(prior, space), surrogate=surrogate, seed=seed)
    before = fit_cheap(space, measurements.cheap, surrogate=surrogate, prior=before, seed=seed)
    return fit_readings(space, measurements, surrogate=surrogate, prior=before, seed=seed)


def fit_device(
    space: SearchSpace,
    measurements: Measurements,
    device: str,
    *,
    exact: bool,
    surrogate: SurrogateName = "mix",
    seed: int = 0,
) -> LatencySurrogate:
    """Return a surrogate of the values that were measured on a device.

    Parameters
    ----------
    measurements : Measurements
        Each round counts as an occasion of measuring, unless the device is exact.
    exact : bool
        Whether a second measurement on the device gives the same number.
    surrogate : {"mix", "evidence", "pairs", "xgboost"}

    Raises
    ------
    DataError
        If fewer than two are known.
    """
    features, values = space.features(measurements.choices), measurements.values[device]
    occasions = None if exact else measurements.round
    try:
        fitted = fit_latency(
            features, values, accuracy=measurements.accuracy, occasions=occasions, surrogate=surrogate, seed=seed
        )
    except DataError as error:
        raise DataError(f"device {device}: {error}") from None
    condition = measurements.conditions.get(device)
    if condition is None or not len(condition.spread):
        return fitted
    return replace(fitted, residuals=fitted.residuals.widened(condition.spread))
