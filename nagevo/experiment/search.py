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
from nagevo.measure.measurements import Measurements
from nagevo.measure.status import ACCURACY, outcomes, reasons, refuse_all_failed
from nagevo.search.base import Strategy
from nagevo.spaces.base import SearchSpace, among


def search_experiment(experiment: Experiment, *, weights: str | os.PathLike | None = None) -> Measurements:
    """Return what the search that an experiment describes measures, in the order in which it is read.

    Parameters
    ----------
    experiment : Experiment
    weights : path, optional
        File written by the evaluator's :meth:`train`, where it has to be trained.
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
        Made for the same space and devices, without measurements yet.
    evaluations : int
        Distinct architectures whose accuracy is read.
    rounds : int, optional
        Number of rounds that they are split into; the strategy's own by default.
    extra_measurements : mapping of str to int or "all", optional
        Number of further architectures that each device measures before the first round.
    seed : int
        Seed of the choice of these architectures.

    Raises
    ------
    ConfigError
        If the space does not have so many architectures.
    DeviceError
        If all of the first round fail on a device, or to give an accuracy.
    """
    if evaluations > space.size:
        raise ConfigError(f"search.evaluations: {space} has {space.size} architectures, asked for {evaluations}")
    measurements = _extra(space, devices, extra_measurements or {}, seed)
    quantities = {name: device.measures for name, device in devices.items()}
    sizes = type(strategy).round_sizes(evaluations, rounds)
    for number, n in enumerate(track(sizes, f"searching with {evaluations} evaluations")):
        strategy.tell(measurements)
        proposed = strategy.ask(n)
        scores = evaluator.evaluate(proposed)
        tables = {name: device.measure(space, proposed) for name, device in devices.items()}
        if not number:
            refuse_all_failed(outcomes(scores, ACCURACY), ACCURACY)
            for name, table in tables.items():
                refuse_all_failed(outcomes(table, quantities[name]), name)
        measured = Measurements(
            proposed,
            np.full(len(proposed), number),
            scores[ACCURACY].to_numpy(dtype=float),
            {name: table[quantities[name]].to_numpy(float) for name, table in tables.items()},
            quantities,
            {ACCURACY: reasons(scores, ACCURACY)}
            | {name: reasons(table, quantities[name]) for name, table in tables.items()},
        )
        measurements = measurements.rows(~among(measurements.choices, proposed)).extended(measured)
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
    if isinstance(n, str):  # "all"
        return space.enumerate()
    if n > space.size:
        raise ConfigError(f"extra_measurements: {space} has {space.size} architectures, asked for {n}")
    return space.sample_distinct(n, rng=np.random.default_rng([seed, 1]))


def _extra(
    space: SearchSpace, devices: Mapping[str, Device], numbers: Mapping[str, int | str], seed: int
) -> Measurements:
    """Return the measurements of devices beyond the evaluated architectures."""
    measurements = Measurements.empty(space, tuple(devices))
    for name, device in devices.items():
        if numbers.get(name):
            choices = extra_architectures(space, numbers[name], seed=seed)
            table = device.measure(space, choices)
            values = table[device.measures].to_numpy(dtype=float)
            measurements = measurements.with_values(
                name, choices, values, device.measures, reasons(table, device.measures)
            )
    return measurements
