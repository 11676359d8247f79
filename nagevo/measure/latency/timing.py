"""How latencies are timed: every network in turn, in short bursts of runs, in rounds that are spread over time.

Other users of a machine slow it down for milliseconds to seconds, so runs of one network that follow each other share
their luck. Here every network gets one burst in each round, and the rounds span several seconds; the
minimum over the medians of the bursts is the statistic that repeats best.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, cast

import numpy as np
import pandas as pd

from nagevo.foundation.options import Option
from nagevo.foundation.progress import track
from nagevo.foundation.quantities import LATENCY
from nagevo.measure.latency.base import Device
from nagevo.measure.status import OK, reason
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    from torch import nn

Burst = Callable[[], Sequence[float]]
"""Runs a network a few times; returns the ms of each timed run."""

Prepare = Callable[["nn.Module", tuple[int, ...]], Burst]
"""Makes the burst of a network in eval mode and of the shape it takes, without the batch."""

STATISTICS = ("min", "median", "p95")
"""Each is a column of a device's table; the config says which of them is the latency."""

HELD = 32
"""Number of networks held in memory and timed in turn; more are timed group after group."""


@dataclass(frozen=True, kw_only=True)
class TimedDevice(Device):
    """A device that times real runs of networks."""

    batch: Annotated[int, Option("Images in one inference.", ge=1)] = 1
    rounds: Annotated[int, Option("Bursts of runs of each network.", ge=1)] = 20
    spread_s: Annotated[float, Option("Seconds over which the bursts are spread.", ge=0)] = 4.0
    statistic: Annotated[
        Literal["min", "median", "p95"],
        Option("Statistic of the runs that is called the latency; `min` is the minimum of the bursts' medians."),
    ] = "min"

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
        shapes = [space.input_shape_of(row) for row in choices]
        return self.time_networks([partial(space.network, row) for row in choices], shapes)

    def time_networks(
        self, builders: Sequence[Callable[[], nn.Module]], input_shapes: Sequence[tuple[int, ...]]
    ) -> pd.DataFrame:
        """Return one row for each network, in order.

        Parameters
        ----------
        builders : sequence of callable, length n
            Each makes a network.
        input_shapes : sequence of tuple of int, length n
            Input shape of each, without the batch.

        Returns
        -------
        DataFrame
            The quantity, ``status``, ``min``, ``median``, ``p95``, ``dispersion_percent``.
        """
        outcomes: list[np.ndarray | str] = []
        with self.opened() as prepare:
            for start in range(0, len(builders), HELD):
                group = slice(start, start + HELD)
                pairs = list(zip(builders[group], input_shapes[group], strict=True))
                bursts = [prepared(prepare, *pair) for pair in track(pairs, "preparing networks")]
                outcomes += time_in_turn(bursts, rounds=self.rounds, spread_s=self.spread_s)
        return statistics_table(outcomes, self.statistic, self.measures)


def prepared(prepare: Prepare, build: Callable[[], nn.Module], shape: tuple[int, ...]) -> Burst:
    """Return the burst of a network, or one that raises what went wrong in building or preparing it."""
    try:
        return prepare(build().eval(), shape)
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
    *,
    rounds: int,
    spread_s: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[np.ndarray | str]:
    """Return what each burst measured in all rounds, or why it failed.

    Parameters
    ----------
    bursts : sequence of callable, length n
        Each runs once in every round, in order; one that raises is not run again.
    rounds : int
    spread_s : float
        Seconds over which the rounds begin evenly, where they do not take longer by themselves.
    clock, sleep : callable
        Tell and pass seconds.

    Returns
    -------
    list, length n
        For each burst the ms of all runs, shape (rounds, n_runs), or the reason of its failure.
    """
    outcomes: list[list[Sequence[float]] | str] = [[] for _ in bursts]
    start = clock()
    for beginning in track(np.linspace(0.0, spread_s, rounds, endpoint=False), "timing rounds", total=rounds):
        running = [i for i, outcome in enumerate(outcomes) if not isinstance(outcome, str)]
        if running:
            sleep(max(0.0, start + beginning - clock()))
        for i in running:
            outcomes[i] = _with_burst(cast(list, outcomes[i]), bursts[i])
    return [outcome if isinstance(outcome, str) else np.asarray(outcome) for outcome in outcomes]


def _with_burst(times: list[Sequence[float]], burst: Burst) -> list[Sequence[float]] | str:
    try:
        measured = burst()
    except Exception as error:  # whatever a network or a runtime raises is the row's status
        return reason(error)
    if not (np.isfinite(measured) & (np.asarray(measured) > 0)).all():
        return f"expected positive finite times in ms, got {measured}"
    return [*times, measured]


def statistics_table(outcomes: Sequence[np.ndarray | str], statistic: str, quantity: str = LATENCY) -> pd.DataFrame:
    """Return the statistics of the outcomes of :func:`time_in_turn`.

    Parameters
    ----------
    outcomes : sequence of ndarray of shape (rounds, n_runs), or str
        In the unit of the quantity.
    statistic : {"min", "median", "p95"}
        Which of them is the value of the quantity.
    quantity : str

    Returns
    -------
    DataFrame
        The quantity, ``status``, ``min`` (of the medians of the bursts), ``median`` and ``p95`` (of all runs),
        ``dispersion_percent`` (standard deviation of the medians of the bursts over their mean); NaN where the status
        is not ``"ok"``.

    Examples
    --------
    >>> statistics_table([np.array([[1.0, 1.0, 4.0], [2.0, 3.0, 3.0]]), "out of memory"], "min").round(2)
       latency_ms         status  min  median   p95  dispersion_percent
    0         1.0             ok  1.0     2.5  3.75                50.0
    1         NaN  out of memory  NaN     NaN   NaN                 NaN
    """
    columns = [*STATISTICS, "dispersion_percent"]
    table = pd.DataFrame([_statistics(outcome) for outcome in outcomes], columns=columns, dtype=float)
    status = [outcome if isinstance(outcome, str) else OK for outcome in outcomes]
    return pd.DataFrame({quantity: table[statistic], "status": status}).join(table)


def _statistics(outcome: np.ndarray | str) -> tuple[float, float, float, float]:
    if isinstance(outcome, str):
        return (np.nan,) * 4
    medians = np.median(outcome, axis=1)
    dispersion_percent = 100.0 * medians.std() / medians.mean()
    return medians.min(), np.median(outcome), np.percentile(outcome, 95), dispersion_percent
