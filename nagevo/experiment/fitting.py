"""The step that fits a surrogate, for the workflow's command and for learning in one process."""

from __future__ import annotations

from nagevo.foundation.errors import DataError
from nagevo.learn.fitting import fit_accuracy, fit_latency
from nagevo.learn.surrogate import AccuracySurrogate, LatencySurrogate
from nagevo.measure.measurements import Measurements
from nagevo.measure.status import ACCURACY
from nagevo.spaces.base import SearchSpace


def fit(
    space: SearchSpace, measurements: Measurements, quantity: str, *, exact: bool = False, seed: int = 0
) -> AccuracySurrogate | LatencySurrogate:
    """Return a surrogate of accuracies, or of the latencies on a device.

    Parameters
    ----------
    space : SearchSpace
    measurements : Measurements
        Each round counts as an occasion of measuring, unless the device is exact.
    quantity : str
        ``"accuracy"``, or the name of a device.
    exact : bool
        Whether a second measurement on the device gives the same number.
    seed : int

    Raises
    ------
    DataError
        If fewer than two accuracies, or latencies on the device, are known.
    """
    features, accuracy = space.features(measurements.choices), measurements.accuracy
    if quantity == ACCURACY:
        return fit_accuracy(features, accuracy, seed=seed)
    occasions = None if exact else measurements.round
    values = measurements.values[quantity]
    try:
        return fit_latency(features, values, accuracy=accuracy, occasions=occasions, seed=seed)
    except DataError as error:
        raise DataError(f"device {quantity}: {error}") from None
