"""From a few measurements on a new device to its latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.generator.synthetic import SyntheticDevices, log_sources
from nagevo.learn.adapted import Teachers, adapt_latency
from nagevo.learn.predictor import Predictor
from nagevo.learn.probes import probe_order
from nagevo.measure.measurements import EXTRA_ROUND
from nagevo.spaces.base import SearchSpace, row_keys

PUPILS = 16
"""Synthetic devices that serve beside the known ones to find out what few measurements are worth."""


def choose_probes(predictor: Predictor, n: int, *, known: np.ndarray | None = None) -> np.ndarray:
    """Return the n evaluated architectures whose latencies are worth most on a new device, or all if there are fewer.

    Parameters
    ----------
    predictor : Predictor
    n : int
    known : ndarray of int8, shape (n_known, n_choices), optional
        Architectures that were measured on the device already; they are not returned.
    """
    choices, known_ms, accuracy = _evaluated(predictor)
    first: Sequence[int] = ()
    if known is not None:
        first = np.flatnonzero(np.isin(row_keys(choices), row_keys(known))).tolist()
    return choices[probe_order(predictor.described(choices), known_ms, accuracy, n, first=first)]


def adapted(
    predictor: Predictor, device: str, measurements: Mapping[str, float], *, exact: bool, seed: int
) -> Predictor:
    """Return the predictor with a device of which some architectures were measured, earlier measurements included.

    Parameters
    ----------
    predictor : Predictor
    device : str
    measurements : mapping of str to float
        By text of the architecture, in ms.
    exact : bool
        Whether a measured latency is its own bound.
    seed : int

    Raises
    ------
    DataError
        If a latency is no positive number, or there are fewer than two.
    ArchitectureError
        If a text is no architecture of the space.
    """
    choices, latency_ms = _parsed(predictor.space, measurements)
    table = predictor.measurements.with_values(device, choices, latency_ms)
    measured = np.isfinite(table.values[device])
    choices, latency_ms = table.choices[measured], table.values[device][measured]
    teachers = make_teachers(predictor, len(choices), seed=seed)
    surrogate = adapt_latency(predictor.described(choices), latency_ms, teachers)
    return predictor.with_device(device, table, surrogate, exact=exact)


def _parsed(space: SearchSpace, measurements: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return choices and latencies of what was measured; the last of architectures with the same normal form counts."""
    choices = space.normal(space.from_text(list(measurements)))
    try:
        latency_ms = np.array([float(value) for value in measurements.values()])
    except (TypeError, ValueError):
        raise DataError("expected latencies in ms by architecture") from None
    if not (np.isfinite(latency_ms) & (latency_ms > 0)).all():
        wrong = next(text for text, value in zip(measurements, latency_ms, strict=True) if not 0 < value < np.inf)
        raise DataError(f"expected positive finite latencies, got {measurements[wrong]} for {wrong}")
    last = {key: row for row, key in enumerate(row_keys(choices).tolist())}
    rows = list(last.values())
    return choices[rows], latency_ms[rows]


def make_teachers(predictor: Predictor, n: int, *, seed: int) -> Teachers:
    """Return what the known devices, and synthetic ones made of them, teach about a device with n measurements."""
    choices, known_ms, accuracy = _evaluated(predictor)
    described, unseen = predictor.described(choices), predictor.described(choices, unseen=True)
    features, sources = predictor.space.features(choices), log_sources(predictor, choices, known_ms)
    complete = np.isfinite(sources).all(axis=1)
    rng = np.random.default_rng([seed, 3])
    devices = SyntheticDevices.draw(features[complete], sources[complete], PUPILS, rng=rng)
    order = probe_order(described, known_ms, accuracy, min(n, len(choices) // 2))
    latency_ms = np.concatenate([known_ms, devices.latency_ms(features, sources)])
    return Teachers(described, unseen, latency_ms, accuracy, order, len(known_ms))


def _evaluated(predictor: Predictor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the architectures whose accuracy was read and whose latency is known on a device, and both of these.

    Returns
    -------
    choices : ndarray of int8, shape (n, n_choices)
    known_ms : ndarray, shape (n_known, n)
        NaN where a device failed.
    accuracy : ndarray, shape (n,)
    """
    measurements = predictor.measurements
    known_ms = np.array([measurements.values[device] for device in predictor.known])
    read = (measurements.round != EXTRA_ROUND) & np.isfinite(measurements.accuracy)
    rows = read & np.isfinite(known_ms).any(axis=0)
    return measurements.choices[rows], known_ms[:, rows], measurements.accuracy[rows]
