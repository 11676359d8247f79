"""A whole search in one process: rounds of proposals, accuracies and latencies."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from nagevo.experiment.config import Experiment
from nagevo.foundation.errors import ConfigError
from nagevo.foundation.progress import track
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.latency.base import Device
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.search.base import Strategy
from nagevo.spaces.base import SearchSpace, row_keys


def search_experiment(experiment: Experiment, *, weights: str | os.PathLike | None = None) -> Measurements:
    """Return what the search that an experiment describes measures, in the order in which it is read.

    Parameters
    ----------
    experiment : Experiment
    weights : path, optional
        What the evaluator's :meth:`train` wrote, where it has to be trained.
    """
    space = experiment.create_space()
    evaluator = experiment.create_evaluator(space)
    if weights is not None:
        evaluator.load(weights)
    return run_search(
        space,
        evaluator,
        {name: device.create() for name, device in experiment.devices.items()},
        experiment.create_strategy(space, tuple(experiment.devices)),
        evaluations=experiment.search.evaluations,
        rounds=experiment.search.rounds,
        extra_measurements={name: device.extra_measurements for name, device in experiment.devices.items()},
        seed=experiment.seed,
    )


def run_search(
    space: SearchSpace,
    evaluator: Evaluator,
    devices: Mapping[str, Device],
    strategy: Strategy,
    *,
    evaluations: int,
    rounds: int | None = None,
    extra_measurements: Mapping[str, int | str] | None = None,
    seed: int = 0,
) -> Measurements:
    """Return everything that was measured, in the order in which it was read.

    Parameters
    ----------
    space : SearchSpace
    evaluator : Evaluator
    devices : mapping of str to Device
    strategy : Strategy
        Of the same space and devices, told nothing yet.
    evaluations : int
        Distinct architectures whose accuracy is read.
    rounds : int, optional
        Into how many rounds they are split; the strategy's own number by default.
    extra_measurements : mapping of str to int or "all", optional
        How many architectures beyond them each device measures before the first round.
    seed : int
        Fixes which architectures these are.

    Raises
    ------
    ConfigError
        If the space does not have so many architectures.
    """
    if evaluations > space.size:
        raise ConfigError(f"search.evaluations: {space} has {space.size} architectures, asked for {evaluations}")
    measurements = _extra(space, devices, extra_measurements or {}, seed)
    sizes = type(strategy).round_sizes(evaluations, rounds)
    for number, n in enumerate(track(sizes, f"searching with {evaluations} evaluations")):
        strategy.tell(measurements)
        proposed = strategy.ask(n)
        measured = Measurements(
            proposed,
            np.full(len(proposed), number),
            evaluator.evaluate(proposed)["accuracy"].to_numpy(dtype=float),
            {name: device.measure(space, proposed)["latency_ms"].to_numpy(float) for name, device in devices.items()},
        )
        measurements = measurements.rows(~_among(measurements.choices, proposed)).extended(measured)
    return measurements


def extra_architectures(space: SearchSpace, n: int | str, *, seed: int) -> np.ndarray:
    """Return the architectures whose latency alone is measured, shape (n, n_choices).

    Parameters
    ----------
    space : SearchSpace
    n : int or "all"
    seed : int

    Raises
    ------
    ConfigError
        If the space does not have so many.
    """
    if n == "all":
        return space.enumerate()
    if n > space.size:
        raise ConfigError(f"extra_measurements: {space} has {space.size} architectures, asked for {n}")
    return space.sample_distinct(n, rng=np.random.default_rng([seed, 1]))


def _extra(
    space: SearchSpace, devices: Mapping[str, Device], numbers: Mapping[str, int | str], seed: int
) -> Measurements:
    """Return the rows of what devices measure beyond the evaluated architectures."""
    measurements = Measurements.empty(space, tuple(devices))
    for name, device in devices.items():
        if not numbers.get(name):
            continue
        choices = extra_architectures(space, numbers[name], seed=seed)
        latency_ms = {other: np.full(len(choices), np.nan) for other in devices}
        latency_ms[name] = device.measure(space, choices)["latency_ms"].to_numpy(dtype=float)
        nothing = np.full(len(choices), np.nan)
        rows = Measurements(choices, np.full(len(choices), EXTRA_ROUND), nothing, latency_ms)
        measurements = _merged(measurements, rows)
    return measurements


def _merged(first: Measurements, second: Measurements) -> Measurements:
    """Return the rows of both; an architecture in both has every latency that either knows."""
    position = {key: row for row, key in enumerate(row_keys(first.choices).tolist())}
    rows = np.array([position.get(key, -1) for key in row_keys(second.choices).tolist()], dtype=int)
    shared = rows >= 0
    for device, values in second.latency_ms.items():
        known = shared & np.isfinite(values)
        first.latency_ms[device][rows[known]] = values[known]
    return first.extended(second.rows(~shared))


def _among(choices: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which rows are among the others, bool, shape (n,)."""
    if not len(choices):
        return np.zeros(0, dtype=bool)
    return np.isin(row_keys(choices), row_keys(others))
