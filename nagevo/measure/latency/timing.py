"""How latencies are timed: every network in turn, in short bursts of runs, in rounds that are spread over time.

Other users of a machine slow it down for milliseconds to seconds, so consecutive runs of one network have correlated
noise. Here every network gets one burst in each round, the rounds span several seconds, and reference networks are
timed before every few of them: see :mod:`nagevo.measure.latency.condition`.
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import pandas as pd

from nagevo.deploy.models import built
from nagevo.foundation.machine import QUIET, describe_machine
from nagevo.foundation.options import Option
from nagevo.foundation.progress import track
from nagevo.foundation.quantities import LATENCY, RANGE, possible
from nagevo.measure.latency.base import Device
from nagevo.measure.latency.condition import REFERENCES, RUNS, Condition, Reading, quiet_speed, runs_needed, timed
from nagevo.measure.status import OK, reason
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    from torch import nn

Burst = Callable[[], Sequence[float]]
"""Runs a network a few times; returns the ms of each timed run, or their mean energy."""

Build = Callable[[], "nn.Module | Path | bytes"]
"""Makes a network, or gives the path of an ONNX file, or an ONNX model in int8."""

Prepare = Callable[["nn.Module | Path | bytes", tuple[int, ...]], Burst]
"""Makes the burst of a network in eval mode, or of an ONNX file, and of the shape it takes, without the batch."""

Statistic = Literal["median", "p95", "p99", "min"]
REFERENCE_INTERVAL = 8
"""Number of networks that are timed between two passes of the references."""

GROUP_SIZE = 32
"""Number of networks held in memory and timed in turn; more are timed group after group."""


@dataclass(frozen=True, kw_only=True)
class TimedDevice(Device):
    """A device that times real runs of networks."""

    batch: Annotated[int, Option("Inputs in one inference.", ge=1)] = 1
    rounds: Annotated[int, Option("Number of bursts of runs in which each network is timed.", ge=1)] = 20
    spread_s: Annotated[float, Option("Seconds over which the bursts are spread.", ge=0)] = 4.0
    statistic: Annotated[
        Statistic,
        Option("Statistic of the timed runs that budgets limit; `min` is the smallest of the bursts' medians."),
    ] = "median"
    condition: Annotated[
        Literal["quiet", "observed"],
        Option(
            "State of the machine for which budgets are promised: `quiet` is undisturbed, estimated by timing "
            "reference networks beside all others; `observed` includes all disturbances during the measurements."
        ),
    ] = "quiet"

    def __post_init__(self) -> None:
        needed = runs_needed(self.statistic)
        if self.rounds * self.runs_in_burst < needed:
            self._rise(needed)

    runs_files: ClassVar[bool] = True
    """Whether it can be given the path of an ONNX file."""

    closing: ClassVar[bool] = True
    """Whether bursts are short: references are run at the end of every round, too, and disturbed ones are repeated."""

    @property
    def machine(self) -> Mapping[str, str | int] | None:
        """The machine that runs the networks, in the form of :func:`describe_machine`; None if not known."""
        return describe_machine()

    @property
    def runs_in_burst(self) -> int:
        """Number of timed runs in a burst: 1 unless a subclass says otherwise."""
        return 1

    def _rise(self, needed: int) -> None:
        """Set the number of rounds to the smallest that gives the needed number of runs."""
        object.__setattr__(self, "rounds", math.ceil(needed / self.runs_in_burst))

    @abstractmethod
    def opened(self) -> AbstractContextManager[Prepare]:
        """Return the context in which the device is open; its value prepares networks.

        Raises
        ------
        DeviceError
            If it cannot be opened.
        """

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return the latency of each architecture with all statistics, in order.

        Raises
        ------
        DeviceError
            If the device cannot be opened.
        ConfigError
            If the space has no networks.
        """
        references = space.extremes()
        every = [*references, *choices]
        builders = [partial(built, space, row) for row in every]
        shapes = [space.input_shape_of(row) for row in every]
        return self.time_networks(builders, shapes, n_references=len(references))

    def time_networks(
        self, builders: Sequence[Build], input_shapes: Sequence[tuple[int, ...]], *, n_references: int = 0
    ) -> pd.DataFrame:
        """Return one row for each network other than the references, in order.

        Parameters
        ----------
        builders : sequence of callable, length n
            Each makes a network, or gives the path of an ONNX file.
        input_shapes : sequence of tuple of int, length n
            Input shape of each, without the batch.
        n_references : int
            Number of references, which come first.

        Returns
        -------
        DataFrame
            The quantity, ``status``, the statistics ``min``, ``median``, ``p95`` and ``dispersion_percent`` of all runs
            as they were, ``statistic``, ``condition``, ``bursts`` (their number), ``runs`` (the value of every run,
            burst by burst), ``references`` (of each reference beside every burst) and, where it is known, the machine:
            ``processor``, ``cores`` and ``system``.
        """
        outcomes: list[Reading | str] = []
        with self.opened() as prepare:
            pairs = list(zip(builders, input_shapes, strict=True))
            references = [prepared(prepare, *pair) for pair in pairs[:n_references]]
            for start in range(n_references, len(pairs), GROUP_SIZE):
                group = pairs[start : start + GROUP_SIZE]
                bursts = [prepared(prepare, *pair) for pair in track(group, "preparing networks")]
                outcomes += self._timed(bursts, references)
        table = readings_table(outcomes, self.statistic, self.condition, self.measures)
        return table.assign(**(self.machine or {}))

    def _timed(self, bursts: Sequence[Burst], references: Sequence[Burst]) -> list[Reading | str]:
        """Return the outcomes of bursts; once more as many for those of which too few were quiet, where that counts."""
        timed = partial(
            time_in_turn, references=references, rounds=self.rounds, spread_s=self.spread_s, closing=self.closing
        )
        outcomes = timed(bursts)
        readings = {i: outcome for i, outcome in enumerate(outcomes) if not isinstance(outcome, str)}
        if not (references and readings and self.closing and self.condition == QUIET):
            return outcomes
        quiet = quiet_speed(np.concatenate([reading.references for reading in readings.values()]))
        disturbed = [i for i, reading in readings.items() if not reading.is_quiet(self.statistic, quiet)]
        for i, again in zip(disturbed, timed([bursts[i] for i in disturbed]), strict=True):
            outcomes[i] = again if isinstance(again, str) else readings[i].followed_by(again)
        return outcomes


def prepared(prepare: Prepare, build: Build, shape: tuple[int, ...]) -> Burst:
    """Return the burst of a network, or one that raises what went wrong in building or preparing it."""
    try:
        network = build()
        return prepare(network if isinstance(network, Path | bytes) else network.eval(), shape)
    except Exception as error:  # whatever a network, an exporter or a runtime raises is the row's status
        return partial(_raise, error.with_traceback(None))


def _raise(error: Exception) -> Sequence[float]:
    raise error


def burst_of(
    run: Callable[[], object], *, warmup: int, runs: int, clock: Callable[[], float] = time.perf_counter
) -> Burst:
    """Return a burst that calls ``run`` ``warmup`` times untimed and ``runs`` times timed; ``clock`` tells seconds."""

    def burst() -> list[float]:
        for _ in range(warmup):
            run()
        times = []
        for _ in range(runs):
            start = clock()
            run()
            times.append(1000.0 * (clock() - start))
        return times

    return burst


def time_in_turn(
    bursts: Sequence[Burst],
    references: Sequence[Burst] = (),
    *,
    rounds: int,
    spread_s: float = 0.0,
    closing: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Reading | str]:
    """Return the measurements of each burst in all rounds with those of the references beside, or why it failed.

    Parameters
    ----------
    bursts : sequence of callable, length n
        Each runs once in every round, in order; one that raises is not run again.
    references : sequence of callable, length n_references
        Run before every :data:`REFERENCE_INTERVAL` bursts, and at the end.
    spread_s : float
        Seconds over which the rounds begin evenly, where they do not take longer by themselves.
    closing : bool
        Whether the references are run at the end of every round, too.
    clock, sleep : callable
        Tell and pass seconds.

    Returns
    -------
    list, length n
        For each burst its reading, in which a reference has the geometric mean of its medians before and after; or the
        reason of its failure.
    """
    runs: list[list[Sequence[float]]] = [[] for _ in bursts]
    passes: list[list[int]] = [[] for _ in bursts]
    failures: dict[int, str] = {}
    beside = _References(references)
    start = clock()
    for beginning in track(np.linspace(0.0, spread_s, rounds, endpoint=False), "timing rounds", total=rounds):
        running = [i for i in range(len(bursts)) if i not in failures]
        if not running:
            continue
        pause = max(0.0, start + beginning - clock())
        sleep(pause)
        if pause and closing:
            beside.settle()
        for place, i in enumerate(running):
            if place % REFERENCE_INTERVAL == 0:
                beside.run()
            measured = _measured(bursts[i])
            if isinstance(measured, str):
                failures[i] = measured
            else:
                runs[i].append(measured)
                passes[i].append(beside.n_passes - 1)
        if closing:
            beside.run()
    if not closing:
        beside.run()
    return [
        failures[i] if i in failures else Reading(np.asarray(runs[i], dtype=float), beside.around(passes[i]))
        for i in range(len(bursts))
    ]


class _References:
    """The references' medians, pass by pass; one that fails is not run again."""

    def __init__(self, bursts: Sequence[Burst]):
        self._bursts: list[Burst | None] = list(bursts)
        self._medians: list[list[float]] = []

    @property
    def n_passes(self) -> int:
        """Number of passes so far."""
        return len(self._medians)

    def settle(self) -> None:
        """Run every reference untimed, because the first run after a pause is slower, and references come first."""
        self.run()
        self._medians.pop()

    def run(self) -> None:
        """Time every reference once."""
        medians = []
        for number, burst in enumerate(self._bursts):
            measured = "failed" if burst is None else _measured(burst)
            if isinstance(measured, str):
                self._bursts[number] = None
            medians.append(np.nan if isinstance(measured, str) else float(np.median(measured)))
        self._medians.append(medians)

    def around(self, numbers: Sequence[int]) -> np.ndarray:
        """Return the geometric means over the passes of these numbers and the next ones, (n, n_references)."""
        logs = np.log(np.asarray(self._medians, dtype=float).reshape(self.n_passes, -1))
        places = np.asarray(numbers, dtype=int)
        before, after = logs[places], logs[np.minimum(places + 1, self.n_passes - 1)]
        return np.exp(np.where(np.isnan(after), before, (before + after) / 2))


def _measured(burst: Burst) -> Sequence[float] | str:
    """Return the values of a burst, or why it failed."""
    try:
        measured = burst()
    except Exception as error:  # whatever a network or a runtime raises is the row's status
        return reason(error)
    if not possible(np.asarray(measured)).all():
        return f"expected {RANGE} for each run, got {measured}"
    return measured


def readings_table(
    outcomes: Sequence[Reading | str], statistic: str, condition: str = QUIET, quantity: str = LATENCY
) -> pd.DataFrame:
    """Return the table of the outcomes of :func:`time_in_turn`; see :meth:`TimedDevice.time_networks`.

    The value of the quantity is in the condition as far as these outcomes tell it.
    """
    names = ["min", "median", "p95", "dispersion_percent"]
    rows = [
        {"status": outcome, "bursts": 0, RUNS: [], REFERENCES: []}
        if isinstance(outcome, str)
        else {"status": OK, "bursts": len(outcome.runs), RUNS: outcome.runs.ravel()}
        | {REFERENCES: outcome.references.ravel(), **_statistics(outcome.runs)}
        for outcome in outcomes
    ]
    table = pd.DataFrame(rows, columns=["status", *names, "bursts", RUNS, REFERENCES])
    table = table.astype(dict.fromkeys(names, float) | {"bursts": int})
    table.insert(0, quantity, np.nan)
    table = table.assign(statistic=statistic, condition=condition)
    if len(timed(table)):
        table[quantity] = Condition.of([table]).values(table)
    return table


def _statistics(runs: np.ndarray) -> dict[str, float]:
    medians = np.median(runs, axis=1)
    return {
        "min": medians.min(),
        "median": np.median(runs),
        "p95": np.percentile(runs, 95),
        "dispersion_percent": 100.0 * medians.std() / medians.mean(),
    }
