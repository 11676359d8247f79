"""Prediction of the latency on a new device from a few measurements there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nagevo.generator.conditions import DeviceView, limited
from nagevo.generator.knowledge import Knowledge
from nagevo.generator.readings import Readings
from nagevo.generator.synthetic import SyntheticDevices, log_sources
from nagevo.learn.predictor import Predictor
from nagevo.learn.probes import probe_order
from nagevo.learn.transfer import MetaTrainingSet, adapt_latency
from nagevo.measure.measurements import EXTRA_ROUND
from nagevo.spaces.base import among, without

N_SYNTHETIC = 16
"""Synthetic devices in the meta-training set, beside the known ones."""


def choose_probes(predictor: Predictor, n: int, *, known: np.ndarray | None = None) -> np.ndarray:
    """Return the n evaluated architectures whose latencies on a new device are most informative, or fewer.

    Parameters
    ----------
    known : ndarray of int8, shape (n_known, n_choices), optional
        Architectures that were measured on the device already; they are not returned.
    """
    choices, known_ms, accuracy = _evaluated(predictor)
    first: Sequence[int] = ()
    if known is not None:
        first = np.flatnonzero(among(choices, known)).tolist()
    return choices[probe_order(predictor.described(choices), known_ms, accuracy, n, first=first)]


def next_probes(knowledge: Knowledge, device: str, n: int | None = None, *, afresh: bool = False) -> np.ndarray:
    """Return the most informative architectures to measure on a device next, shape (n, n_choices).

    Parameters
    ----------
    device : str
        A new one, or one added earlier that gets further measurements.
    n : int, optional
        How many; by default the generator's own probes less those measured already.
    afresh : bool
        Whether those measured already are chosen again.
    """
    measured = np.empty((0, knowledge.space.n_choices), dtype=np.int8)
    table = knowledge.predictor.measurements
    if device in table.devices and not afresh:
        measured = table.choices[np.isfinite(table.values[device]) | table.failed(device)]
    own = without(knowledge.probes, measured)
    if n is None or n <= len(own):
        return own[:n]
    more = choose_probes(knowledge.predictor, n - len(own), known=np.concatenate([knowledge.probes, measured]))
    return np.concatenate([own, more])


def adapted(knowledge: Knowledge, device: str, readings: Readings) -> Knowledge:
    """Return the knowledge with a device of which some architectures were measured.

    Parameters
    ----------
    readings : Readings
        All readings of the device; several readings of one architecture count as their median.

    Raises
    ------
    DataError
        If fewer than two architectures were measured.
    """
    predictor = with_readings(knowledge.predictor, device, readings, seed=knowledge.seed)
    known = knowledge.known()
    needed = limited(predictor.space, known, predictor.latency_ms(device, known))
    view = DeviceView.of(predictor.accuracy(known), needed, predictor.latency_ms(device, knowledge.probes))
    return replace(
        knowledge,
        predictor=predictor,
        views={**knowledge.views, device: view},
        proposals={other: rows for other, rows in knowledge.proposals.items() if other != device},
        readings={**knowledge.readings, device: readings},
    ).with_proposals()


def with_readings(predictor: Predictor, device: str, readings: Readings, *, seed: int) -> Predictor:
    """Return a predictor with a device and its readings, in the place of earlier ones."""
    others = [name for name in predictor.measurements.devices if name != device]
    choices, values = readings.combined()
    measured = np.isfinite(values)
    table = predictor.measurements.for_devices(others).with_values(
        device, choices, values, readings.quantity, np.where(measured, "", "failed").astype(object)
    )
    choices, values = choices[measured], values[measured]
    training = meta_training_set(predictor, len(choices), seed=seed)
    surrogate = adapt_latency(predictor.described(choices), values, training)
    return predictor.with_device(device, table, surrogate, exact=readings.exact)


def meta_training_set(predictor: Predictor, n: int, *, seed: int) -> MetaTrainingSet:
    """Return the known devices, and synthetic ones made of them, from which a device with n measurements is learned."""
    choices, known_ms, accuracy = _evaluated(predictor)
    described = predictor.described(choices)
    features, sources = predictor.space.features(choices), log_sources(predictor, choices, known_ms)
    complete = np.isfinite(sources).all(axis=1)
    rng = np.random.default_rng([seed, 3])
    devices = SyntheticDevices.draw(features[complete], sources[complete], N_SYNTHETIC, rng=rng)
    order = probe_order(described, known_ms, accuracy, min(n, len(choices) // 2))
    latency_ms = np.concatenate([known_ms, devices.latency_ms(features, sources)])
    return MetaTrainingSet(described, latency_ms, accuracy, order, len(known_ms))


def _evaluated(predictor: Predictor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the architectures whose accuracy was read and whose latency is known on a device, and both of these.

    Latencies have the shape (n_known, n); NaN where a device failed.
    """
    measurements = predictor.measurements
    known_ms = np.array([measurements.values[device] for device in predictor.known])
    read = (measurements.round != EXTRA_ROUND) & np.isfinite(measurements.accuracy)
    rows = read & np.isfinite(known_ms).any(axis=0)
    return measurements.choices[rows], known_ms[:, rows], measurements.accuracy[rows]
