"""The state of a machine during measurements, estimated from reference networks timed in the same bursts.

A machine is slower at times: another program runs, its clock is lowered. References, the smallest and the largest
network of the space, are timed beside all others, so that a latency is a ratio to them times their speed. Their quiet
speed is found over everything that was measured, whichever moments of an occasion were disturbed.

References
----------
Bulej, Horký, Tůma, Farquet, Prokopec 2020, "Duet Benchmarking: Improving Measurement Accuracy in the Cloud": pairs that
run under the same disturbance are compared by their ratio. Abedi and Brecht 2017, "Conducting Repeatable Experiments in
Highly Variable Cloud Computing Environments": trials of all alternatives are interleaved. Here the partner of every
network is the same, and gives back the milliseconds of the undisturbed machine.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import one_line, read_json
from nagevo.foundation.machine import MACHINE, QUIET, describe
from nagevo.foundation.quantities import measured_quantity
from nagevo.measure.status import OK

if TYPE_CHECKING:
    import pandas as pd

OBSERVED = "observed"
TOLERANCE = math.log(1.1)
"""A burst in which the references are slower than their quiet speed by more, in logarithms, is disturbed."""
LEAST_SHARE = 0.2
"""Minimum share of all bursts for a cluster of the references' speeds to count as a mode."""
MIN_QUIET_BURSTS, MIN_QUIET_SHARE = 3, 0.25
"""Minimum number, and minimum share, of quiet bursts for which the disturbed ones are left out."""
TAILS = {"p95": 0.95, "p99": 0.99}
"""Statistics that are percentiles of single runs."""
RUNS = "runs"
REFERENCES = "references"


def runs_needed(statistic: str) -> int:
    """Return the minimum number of runs for a statistic: 5 beyond a percentile.

    >>> runs_needed("median"), runs_needed("p95"), runs_needed("p99")
    (1, 100, 500)
    """
    return math.ceil(5 / (1 - TAILS[statistic]) - 1e-6) if statistic in TAILS else 1


@dataclass(frozen=True)
class Reading:
    """Timed runs of one network on one occasion.

    Attributes
    ----------
    runs : ndarray, shape (n_bursts, n_runs)
        In ms, or the unit of the device's quantity.
    references : ndarray, shape (n_bursts, n_references)
        The references beside each burst; NaN where a reference failed.
    """

    runs: np.ndarray
    references: np.ndarray

    @classmethod
    def of(cls, row: Any) -> Reading:
        """Return the reading in a row of a device's table."""
        shape = int(row["bursts"]), -1
        return cls(*(np.asarray(row[name], dtype=float).reshape(shape) for name in (RUNS, REFERENCES)))

    def followed_by(self, later: Reading) -> Reading:
        """Return the reading of these bursts and later ones."""
        runs = np.concatenate([self.runs, later.runs])
        return Reading(runs, np.concatenate([self.references, later.references]))

    def slowdown(self, quiet: np.ndarray) -> np.ndarray:
        """Return the logarithm of how much slower than quiet the references were in each burst, shape (n_bursts,)."""
        logs = np.log(self.references / quiet)
        known = np.isfinite(logs)
        counts = known.sum(axis=1)
        return np.where(counts > 0, np.where(known, logs, 0.0).sum(axis=1) / np.maximum(counts, 1), 0.0)

    def value(self, statistic: str, quiet: np.ndarray) -> float:
        """Return a statistic of the runs as they would be on the quiet machine.

        Disturbed bursts are used only if too few are quiet, through their ratios to the references.
        """
        slowdown = self.slowdown(quiet)
        runs = self.runs / np.exp(slowdown)[:, None]
        return statistic_of(runs[slowdown <= TOLERANCE] if self.is_quiet(statistic, quiet) else runs, statistic)

    def is_quiet(self, statistic: str, quiet: np.ndarray) -> bool:
        """Return whether enough of the bursts are quiet, so that the disturbed ones can be left out."""
        calm = int((self.slowdown(quiet) <= TOLERANCE).sum())
        enough = calm >= max(MIN_QUIET_BURSTS, MIN_QUIET_SHARE * len(self.runs))
        return enough and calm * self.runs.shape[1] >= runs_needed(statistic)


def statistic_of(runs: np.ndarray, statistic: str) -> float:
    """Return a statistic of runs, shape (n_bursts, n_runs); ``min`` is the smallest of the bursts' medians.

    >>> runs = np.array([[1.0, 1.0, 4.0], [2.0, 3.0, 3.0]])
    >>> statistic_of(runs, "min"), statistic_of(runs, "median"), statistic_of(runs, "p95")
    (1.0, 2.5, 3.75)
    """
    if statistic == "min":
        return float(np.median(runs, axis=1).min())
    return float(np.quantile(runs, TAILS.get(statistic, 0.5)))


def quiet_speed(references: np.ndarray) -> np.ndarray:
    """Return the speed of each reference on the undisturbed machine, shape (n_references,).

    It is the median over the bursts of the fastest mode: the fastest stretch of speeds, a tenth wide, that holds a
    fifth of all bursts.

    Parameters
    ----------
    references : ndarray, shape (n_bursts, n_references)
        Of all occasions; NaN where a reference failed.

    Examples
    --------
    >>> quiet_speed(np.array([[1.0, 4.0]] * 6 + [[2.0, 8.0]] * 14)).tolist()
    [1.0, 4.0]
    """
    import warnings

    logs = np.log(references)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a reference that always failed is NaN
        state = np.nanmean(logs - np.nanmedian(logs, axis=0), axis=1)
        ordered = np.sort(state[np.isfinite(state)])
        if not len(ordered):
            return np.full(references.shape[1], np.nan)
        held = np.searchsorted(ordered, ordered + TOLERANCE, side="right") - np.arange(len(ordered))
        start = ordered[np.argmax(held >= LEAST_SHARE * len(ordered))]
        return np.exp(np.nanmedian(logs[state <= start + TOLERANCE], axis=0))


@dataclass(frozen=True)
class Condition:
    """A device's references and the states in which its machine was seen.

    Attributes
    ----------
    statistic, condition : str
        As in the device's options.
    quiet : ndarray, shape (n_references,)
        Speed of the references on the undisturbed machine.
    disturbed : float
        Share of the bursts that were disturbed.
    slowdown : float
        95th percentile of the factor by which these were slower; 1 where none was.
    states : ndarray, shape (n_occasions,)
        Logarithm of the median slowdown of each occasion.
    machine : mapping of str to str or int, optional
        ``processor``, ``cores`` and ``system`` of what ran the networks; of several machines all values.
    """

    statistic: str
    condition: str
    quiet: np.ndarray
    disturbed: float
    slowdown: float
    states: np.ndarray
    machine: Mapping[str, str | int] | None = None

    @classmethod
    def of(cls, tables: Sequence[pd.DataFrame], quiet: np.ndarray | None = None) -> Condition:
        """Return the condition of the device that these tables, of an occasion each, were measured on.

        Parameters
        ----------
        tables : sequence of DataFrame
            Each with at least one row that was timed.
        quiet : ndarray, optional
            Where it is known from elsewhere; found in the tables by default.
        """
        tables = [timed(table) for table in tables]
        occasions = [[Reading.of(row) for row in table.to_dict("records")] for table in tables]
        readings = [reading for occasion in occasions for reading in occasion]
        if quiet is None:
            quiet = quiet_speed(np.concatenate([reading.references for reading in readings]))
        elif len(quiet) != (n := readings[0].references.shape[1]):
            raise DataError(f"expected the quiet speeds of {n} references, got those of {len(quiet)}")
        slowdowns = [np.concatenate([reading.slowdown(quiet) for reading in occasion]) for occasion in occasions]
        every = np.concatenate(slowdowns)
        slow = every[every > TOLERANCE]
        first = tables[0].iloc[0]
        return cls(
            str(first["statistic"]),
            str(first["condition"]),
            quiet,
            float(len(slow) / len(every)),
            float(np.exp(np.quantile(slow, 0.95))) if len(slow) else 1.0,
            np.array([np.median(slowdown) for slowdown in slowdowns]),
            _machine(tables),
        )

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Condition:
        """Return the condition that :meth:`described` describes.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is none.
        """
        describe(entry)
        quiet = np.array([np.nan if ms is None else ms for ms in entry["quiet"]], dtype=float)
        states = np.array(entry["states"], dtype=float)
        if (quiet <= 0).any() or not np.isfinite(states).all() or entry["condition"] not in (QUIET, OBSERVED):
            raise ValueError(f"no condition of a device: {entry}")
        disturbed, slowdown = float(entry["disturbed"]), float(entry["slowdown"])
        return cls(entry["statistic"], entry["condition"], quiet, disturbed, slowdown, states, entry.get("machine"))

    @property
    def usual(self) -> float:
        """Median slowdown that an ``observed`` promise includes; 1 for ``quiet``."""
        return float(np.exp(np.median(self.states))) if self.condition == OBSERVED else 1.0

    @property
    def spread(self) -> np.ndarray:
        """Logarithm of the states less the usual one, which the bound has to cover; empty where quiet is promised.

        The slowest one is there twice: a later occasion is as likely slower than all m that were seen as it is of any
        other rank, 1 / (m + 1).
        """
        if self.condition != OBSERVED:
            return np.empty(0)
        return np.append(self.states, self.states.max()) - np.median(self.states)

    def values(self, table: pd.DataFrame) -> list[float]:
        """Return the value of each row of a device's table in this condition, NaN where it was not timed."""
        return [
            self.usual * Reading.of(row).value(self.statistic, self.quiet) if row["status"] == OK else math.nan
            for row in table.to_dict("records")
        ]

    def described(self, texts: Sequence[str] = ()) -> dict[str, Any]:
        """Return the condition as JSON holds it; ``texts`` are the references' architectures."""
        known = {text: float(ms) for text, ms in zip(texts, self.quiet, strict=False) if np.isfinite(ms)}
        return {
            "statistic": self.statistic,
            "condition": self.condition,
            "disturbed": self.disturbed,
            "slowdown": self.slowdown,
            "quiet": [None if np.isnan(ms) else float(ms) for ms in self.quiet],
            "references": known,
            "states": [float(state) for state in self.states],
            "machine": None if self.machine is None else dict(self.machine),
        }


def timed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a device's table that were timed."""
    return table[table["status"] == OK]


def _machine(tables: Sequence[pd.DataFrame]) -> dict[str, str | int] | None:
    """Return the machine that tables were timed on, None where one of them does not state it."""
    if any(key not in table or table[key].isna().any() for table in tables for key in MACHINE):
        return None
    values = {key: list(dict.fromkeys(value for table in tables for value in table[key].tolist())) for key in MACHINE}
    return {key: found[0] if len(found) == 1 else " or ".join(map(str, found)) for key, found in values.items()}


def conditions(
    tables: Mapping[str, pd.DataFrame], known: Mapping[str, Condition] | None = None
) -> dict[str, Condition]:
    """Return the condition of each device that is timed beside references.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of any devices and evaluators; each was measured at one time.
    known : mapping of str to Condition, optional
        By device, where the quiet speed of the references was found elsewhere.
    """
    of_device: dict[str, list[pd.DataFrame]] = {}
    for table in tables.values():
        if RUNS in table:
            for device, rows in table.groupby("device"):
                if len(timed(rows)):
                    of_device.setdefault(str(device), []).append(rows)
    quiet = {device: condition.quiet for device, condition in (known or {}).items()}
    return {device: Condition.of(parts, quiet.get(device)) for device, parts in of_device.items()}


def read_conditions(path: str | os.PathLike) -> dict[str, Condition]:
    """Return the conditions by device in a file of :meth:`Condition.described` entries.

    Raises
    ------
    DataError
        If the file is absent, or does not hold them.
    """
    return parsed_conditions(read_json(path), str(path))


def parsed_conditions(entries: Any, where: str) -> dict[str, Condition]:
    """Return the conditions by device in :meth:`Condition.described` entries; ``where`` is named in errors.

    Raises
    ------
    DataError
        If they are something else.
    """
    try:
        return {str(device): Condition.parse(entry) for device, entry in dict(entries).items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where} does not hold the conditions of devices: {error!r}") from None


def checked_entry(entry: Any, where: str) -> dict[str, Any]:
    """Return a :meth:`Condition.described` entry as JSON holds it; ``where`` is named in errors.

    Raises
    ------
    DataError
        If it is something else.
    """
    try:
        written = json.loads(json.dumps(dict(entry), allow_nan=False))
        Condition.parse(written)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{where}: expected the condition of a device, as an entry of conditions.json, got {entry!r}"[:240]
            + f" ({one_line(error)})"
        ) from None
    return written


def judged(table: pd.DataFrame, known: Mapping[str, Condition]) -> pd.DataFrame:
    """Return the ``architecture, device, measured, raw`` of a device's table, by which promises are judged.

    Parameters
    ----------
    table : DataFrame
        Restated; see :func:`restated`.
    known : mapping of str to Condition
        ``measured`` is in the condition of the device: on the quiet machine, or as it was on that occasion.
    """
    quantity = measured_quantity(table, "the table of a device")
    measured = raw = table[quantity].to_numpy(dtype=float)
    if RUNS in table:
        rows = table.to_dict("records")
        raw = np.array(
            [statistic_of(Reading.of(row).runs, row["statistic"]) if row["status"] == OK else np.nan for row in rows]
        )
        observed = [device in known and known[device].condition == OBSERVED for device in table["device"]]
        measured = np.where(observed, raw, measured)
    return table[["architecture", "device"]].assign(measured=measured, raw=raw)


def restated(
    tables: Mapping[str, pd.DataFrame], known: Mapping[str, Condition] | None = None
) -> dict[str, pd.DataFrame]:
    """Return tables in which the values of timed devices are those of one condition, found over all of them.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of any devices and evaluators.
    known : mapping of str to Condition, optional
        By device, where it was found elsewhere.
    """
    import pandas as pd

    known = conditions(tables) if known is None else known
    result = dict(tables)
    for name, table in tables.items():
        if RUNS not in table or not len(table):
            continue
        quantity = measured_quantity(table, f"table {name}")
        parts = [
            rows.assign(**{quantity: known[str(device)].values(rows)}) if str(device) in known else rows
            for device, rows in table.groupby("device", sort=False)
        ]
        result[name] = pd.concat(parts).loc[table.index]
    return result
