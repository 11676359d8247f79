"""A whole search in one process: rounds of proposals, accuracies and latencies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nagevo.experiment.config import Experiment
from nagevo.experiment.measuring import extra_architectures, profile, score
from nagevo.foundation.errors import ConfigError
from nagevo.foundation.progress import track
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.latency.base import Device
from nagevo.measure.latency.condition import RUNS, conditions
from nagevo.measure.measurements import Measurements
from nagevo.measure.rounds import join_batches, join_rounds
from nagevo.measure.status import ACCURACY
from nagevo.search.base import Strategy
from nagevo.spaces.base import RowIndex, SearchSpace

if TYPE_CHECKING:
    import pandas as pd


def search_experiment(experiment: Experiment, *, weights: str | os.PathLike | None = None) -> Measurements:
    """Return the measurements of an experiment's search, in the order in which they were made.

    Parameters
    ----------
    weights : path, optional
        File written by the evaluator's :meth:`train`, where it has to be trained.
    """
    space, (n_full, n_cheap) = experiment.create_space(), experiment.effort
    return run_search(
        space,
        experiment.open_evaluator(space, weights),
        {name: device.create() for name, device in experiment.devices.items()},
        experiment.create_strategy(space, tuple(experiment.devices)),
        evaluations=n_full,
        cheap=(experiment.open_evaluator(space, weights, cheap=True), n_cheap) if n_cheap else None,
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
    cheap: tuple[Evaluator, int] | None = None,
    rounds: int | None = None,
    extra_measurements: Mapping[str, int | str] | None = None,
    seed: int = 0,
) -> Measurements:
    """Return everything that was measured, in the order in which it was read.

    Parameters
    ----------
    devices : mapping of str to Device
    strategy : Strategy
        Made for the same space and devices, without measurements yet.
    evaluations : int
        Distinct architectures whose accuracy is read.
    cheap : tuple of Evaluator and int, optional
        Evaluator for the cheap readings after the first round, and their number. The result's ``cheap`` holds them.
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
    told = _Told(space, tuple(devices))
    for name, device in devices.items():
        if number := (extra_measurements or {}).get(name):
            extra = extra_architectures(space, number, seed=seed)
            told.add(extra, [profile(space, name, device, extra)])
    sizes = type(strategy).round_sizes(evaluations, rounds)
    for number, n in enumerate(track(sizes, f"searching with {evaluations} evaluations")):
        strategy.tell(told.measurements().expected())
        proposed = strategy.ask(n)
        scores = score(space, evaluator, proposed, first=not number)
        tables = [profile(space, name, device, proposed, first=not number) for name, device in devices.items()]
        told.add(proposed, [scores, *tables], proposed=True)
        if cheap is not None and not number:
            strategy.tell(told.measurements().expected())
            told.cheap = _read_cheaply(space, cheap[0], strategy.ask_cheaply(cheap[1]))
    return told.measurements()


def _read_cheaply(space: SearchSpace, evaluator: Evaluator, choices: np.ndarray) -> Measurements:
    table = score(space, evaluator, choices, first=True)
    return join_batches([table["architecture"].tolist()], {"of cheap readings": table}, space)


class _Told:
    """The tables of a search so far; architectures are numbered in them, so that joining them takes little time."""

    cheap: Measurements | None = None

    def __init__(self, space: SearchSpace, devices: tuple[str, ...]):
        self._space, self._devices = space, devices
        self._index = RowIndex()
        self._choices = np.empty((0, space.n_choices), dtype=np.int8)
        self._proposals: list[list[int]] = []
        self._tables: dict[str, pd.DataFrame] = {}

    def add(self, choices: np.ndarray, tables: Sequence[pd.DataFrame], *, proposed: bool = False) -> None:
        """Add tables with measurements of architectures; ``proposed`` if these are a round.

        The tables of an evaluator or a device become one, but for timed ones, of which each is an occasion.
        """
        import pandas as pd

        new = choices[self._index.rows(choices) < 0]
        self._index.add(new)
        self._choices = np.concatenate([self._choices, new])
        numbers = self._index.rows(choices)
        for table in tables:
            if not len(table):
                continue
            name = ACCURACY if ACCURACY in table else str(table["device"].iloc[0])
            name += f" {len(self._tables)}" if RUNS in table else ""
            parts = [self._tables[name]] if name in self._tables else []
            self._tables[name] = pd.concat([*parts, table.assign(architecture=numbers)], ignore_index=True)
        if proposed:
            self._proposals.append(numbers.tolist())

    def measurements(self) -> Measurements:
        """Return all of it."""
        if not self._tables:
            return Measurements.empty(self._space, self._devices)
        frame = join_rounds(self._proposals, self._tables)
        choices = self._choices[frame["architecture"].to_numpy(dtype=int)]
        measurements = Measurements.from_frame(frame, self._space, choices=choices).for_devices(self._devices)
        return replace(measurements, conditions=conditions(self._tables), cheap=self.cheap)
