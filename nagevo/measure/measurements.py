"""Measurements by architecture: the table that all stages share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.quantities import (
    LATENCY,
    QUANTITIES,
    RANGE,
    column_name,
    possible,
    split_column_name,
    value_column,
)
from nagevo.foundation.tables import number_column, read_table, refuse, require
from nagevo.measure.expectation import expected_accuracy
from nagevo.measure.latency.condition import Condition
from nagevo.measure.status import ACCURACY
from nagevo.measure.tables import parse_architectures
from nagevo.spaces.base import RowIndex, SearchSpace, unique, without

if TYPE_CHECKING:
    import pandas as pd

EXTRA_ROUND = -1
"""Round of rows that carry latencies only and are no evaluations."""
STANDARD_ERROR, CROSS_ENTROPY, PERPLEXITY = "standard_error", "cross_entropy", "perplexity"
READINGS = {STANDARD_ERROR: 0, CROSS_ENTROPY: 0, PERPLEXITY: 1}
"""Columns that evaluators may read beside accuracies (points, nats, and of tokens the perplexity), by their minimum."""
FAILURE, AGAIN = "failure_", "again_"
"""Prefixes of the columns that hold why measuring failed, and values on occasions after the search."""
COLUMNS, TABLES = ("choices", "round", "accuracy"), ("values", "failures", "readings")
"""Attributes of measurements with a value for each row, and dictionaries of such columns."""


@dataclass(frozen=True)
class Measurements:
    """All measured architectures, in the order in which they were measured.

    Attributes
    ----------
    choices : ndarray of int8, shape (n, n_choices)
        In normal form, all distinct.
    round : ndarray of int, shape (n,)
        The round that proposed each; ``EXTRA_ROUND`` for values of devices without an accuracy.
    accuracy : ndarray, shape (n,)
        Percent; NaN where it failed or was not measured.
    values : dict of ndarray, shape (n,)
        By device, in the unit of its quantity; NaN where it failed or was not measured.
    quantities : dict of str to str
        By device, the quantity that it measures: a key of :data:`nagevo.foundation.quantities.QUANTITIES`, latency by
        default.
    failures : dict of ndarray of str, shape (n,)
        By device, and by :data:`ACCURACY`, why measuring failed; empty text where it did not fail.
    conditions : dict of Condition
        By device that was timed, the state of its machine.
    readings : dict of ndarray, shape (n,)
        Readings of the evaluator beside accuracies, by column, a key of :data:`READINGS`; NaN where there is none.
    again : dict of ndarray, shape (n, n_occasions)
        By device, values on occasions after the search; NaN where an architecture was not measured then. Of what was
        measured then, ``values`` hold the geometric mean of these.
    cheap : Measurements or None
        Cheap readings of accuracies, in a table of their own: an architecture that is only there is not measured.
    """

    choices: np.ndarray
    round: np.ndarray
    accuracy: np.ndarray
    values: dict[str, np.ndarray]
    quantities: dict[str, str] = field(default_factory=dict)
    failures: dict[str, np.ndarray] = field(default_factory=dict)
    conditions: dict[str, Condition] = field(default_factory=dict)
    readings: dict[str, np.ndarray] = field(default_factory=dict)
    again: dict[str, np.ndarray] = field(default_factory=dict)
    cheap: Measurements | None = None

    def __post_init__(self):
        never = np.empty((len(self), 0))
        object.__setattr__(self, "again", {device: self.again.get(device, never) for device in self.values})
        none, unread = np.full(len(self), "", dtype=object), np.full(len(self), np.nan)
        object.__setattr__(self, "readings", {name: self.readings.get(name, unread) for name in READINGS})
        quantities = {device: self.quantities.get(device, LATENCY) for device in self.values}
        object.__setattr__(self, "quantities", quantities)
        object.__setattr__(self, "failures", {name: self.failures.get(name, none) for name in (ACCURACY, *self.values)})

    @classmethod
    def empty(cls, space: SearchSpace, devices: Sequence[str]) -> Measurements:
        """Return a table without rows."""
        nothing = np.empty(0)
        choices = np.empty((0, space.n_choices), dtype=np.int8)
        return cls(choices, np.empty(0, dtype=int), nothing, {device: nothing for device in devices})

    def __len__(self) -> int:
        return len(self.choices)

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices."""
        return tuple(self.values)

    @property
    def n_rounds(self) -> int:
        """Number of rounds told so far."""
        return int(self.round.max(initial=-1)) + 1

    @property
    def n_evaluations(self) -> int:
        """Number of distinct architectures whose accuracy was read or tried."""
        return int((self.round != EXTRA_ROUND).sum())

    def rows(self, mask: np.ndarray) -> Measurements:
        """Return the rows that a boolean mask or an index array selects."""
        columns: dict[str, Any] = {name: getattr(self, name)[mask] for name in COLUMNS}
        for name in (*TABLES, "again"):
            columns[name] = {key: of[mask] for key, of in getattr(self, name).items()}
        return replace(self, **columns)

    def rounds(self) -> Iterator[Measurements]:
        """Yield the rows of each round in turn."""
        for number in range(self.n_rounds):
            yield self.rows(self.round == number)

    def complete(self, device: str) -> Measurements:
        """Return the rows that have both an accuracy and a value on the device."""
        return self.rows(np.isfinite(self.accuracy) & np.isfinite(self.values[device]))

    def failed(self, name: str) -> np.ndarray:
        """Return which rows failed on a device, or whose :data:`ACCURACY` failed; bool, shape (n,)."""
        return self.failures[name] != ""

    def objectives(self, device: str) -> np.ndarray:
        """Return error (percent) and the device's value of every row, shape (n, 2), both minimized."""
        return np.column_stack([100.0 - self.accuracy, self.values[device]])

    def expected(self) -> Measurements:
        """Return the rows with the accuracy that is expected of each in the place of the one that was read.

        See :func:`nagevo.measure.expectation.expected_accuracy`; the standard error is that of the expected accuracy.
        Accuracies that were read without a standard error and a cross-entropy, as those of tables, stay as they are.
        """
        error, loss = self.readings[STANDARD_ERROR], self.readings[CROSS_ENTROPY]
        accuracy, error = expected_accuracy(self.accuracy, error, loss)
        unread = np.full(len(self), np.nan)
        return replace(self, accuracy=accuracy, readings=self.readings | {STANDARD_ERROR: error, CROSS_ENTROPY: unread})

    def for_devices(self, devices: Sequence[str]) -> Measurements:
        """Return the same rows with just these devices; one that was never measured is NaN throughout."""
        unknown = np.full(len(self), np.nan)
        return replace(self, values={device: self.values.get(device, unknown) for device in devices})

    def with_values(
        self,
        device: str,
        choices: np.ndarray,
        values: np.ndarray,
        quantity: str = LATENCY,
        failures: np.ndarray | str = "",
    ) -> Measurements:
        """Return these rows with values of a device; architectures that are new follow with nothing else known.

        Parameters
        ----------
        device : str
            A new one, or one whose values in the table these replace.
        choices : ndarray of int8, shape (n, n_choices)
            In normal form, distinct.
        values : ndarray, shape (n,)
        quantity : str
            The quantity that the device measures.
        failures : ndarray of str, shape (n,), or str
            Why measuring failed; empty text where it did not fail.
        """
        new = without(choices, self.choices)
        nothing = np.full(len(new), np.nan)
        devices = tuple(dict.fromkeys([*self.devices, device]))
        extra = Measurements(new, np.full(len(new), EXTRA_ROUND), nothing, dict.fromkeys(devices, nothing))
        extended = self.for_devices(devices).extended(extra)
        rows = RowIndex(extended.choices).rows(choices)
        column, failed = extended.values[device].copy(), extended.failures[device].copy()
        column[rows], failed[rows] = values, failures
        return replace(
            extended,
            values=extended.values | {device: column},
            quantities=extended.quantities | {device: quantity},
            failures=extended.failures | {device: failed},
        )

    def extended(self, other: Measurements) -> Measurements:
        """Return these rows followed by the other's; both must know the same devices."""
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in COLUMNS
        }
        for name in TABLES:
            below = getattr(other, name)
            columns[name] = {key: np.concatenate([of, below[key]]) for key, of in getattr(self, name).items()}
        columns["again"] = {device: _below(of, other.again[device]) for device, of in self.again.items()}
        return replace(self, **columns)

    def to_frame(self, space: SearchSpace) -> pd.DataFrame:
        """Return the table as it is written.

        Returns
        -------
        DataFrame
            ``architecture``, ``round``, ``accuracy``; those of :data:`READINGS` that were read; for each device its
            values in a column named by quantity and device, as in ``latency_ms_phone``, and those of each occasion
            after the search, as in ``again_0_phone``; and where something failed, the reasons, as in ``failure_phone``.
        """
        import pandas as pd

        columns: dict[str, Any] = {"architecture": space.to_text(self.choices), "round": self.round}
        columns[ACCURACY] = self.accuracy
        columns |= {name: read for name, read in self.readings.items() if np.isfinite(read).any()}
        columns |= {column_name(self.quantities[device], device): values for device, values in self.values.items()}
        for device, again in self.again.items():
            columns |= {f"{AGAIN}{number}_{device}": values for number, values in enumerate(again.T)}
        for name, failures in self.failures.items():
            if self.failed(name).any():
                columns[FAILURE + name] = np.where(failures == "", np.array(None, dtype=object), failures)
        return pd.DataFrame(columns)

    @classmethod
    def from_files(cls, paths: Sequence[str | os.PathLike], space: SearchSpace) -> Measurements:
        """Return what several tables hold together, in the order of the rounds.

        An architecture whose latency alone was read and that was evaluated later stands in it once, as evaluated.

        Raises
        ------
        DataError
            If a file is absent, damaged or lacks a column, or they do not hold measurements of the space.
        """
        import pandas as pd

        where = f"the measurements in {', '.join(map(str, paths))}"
        frame = pd.concat([_with_numbers(read_table(path), f"table {path}") for path in paths])
        frame = frame.sort_values("round", kind="stable")
        evaluated = frame.loc[frame["round"] != EXTRA_ROUND, "architecture"]
        superseded = (frame["round"] == EXTRA_ROUND) & frame["architecture"].isin(evaluated)
        return cls.from_frame(frame[~superseded], space, where)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        space: SearchSpace,
        where: str = "the measurements",
        *,
        choices: np.ndarray | None = None,
    ) -> Measurements:
        """Return what :meth:`to_frame` wrote; ``where`` is what the table is called in errors.

        ``choices``, shape (n, n_choices), are the architectures, where they need not be read from their texts.

        Raises
        ------
        DataError
            If it does not hold measurements of the space: see :meth:`check`.
        """
        frame = _with_numbers(frame, where)
        choices = space.normal(parse_architectures(frame, space, where)) if choices is None else choices
        values, quantities, failures = {}, {}, {}
        again: dict[str, list[np.ndarray]] = {}
        for column in map(str, frame.columns):
            quantity, device = split_column_name(column)
            if quantity:
                quantities[device], values[device] = quantity, frame[column].to_numpy()
            elif column.startswith(FAILURE):
                failures[column.removeprefix(FAILURE)] = frame[column].fillna("").to_numpy(dtype=object)
            elif column.startswith(AGAIN):
                again.setdefault(_device_again(column, where), []).append(frame[column].to_numpy())
        table = cls(
            choices,
            frame["round"].to_numpy().astype(int),
            frame[ACCURACY].to_numpy(),
            values,
            quantities,
            failures,
            readings={name: frame[name].to_numpy() for name in READINGS if name in frame},
            again={device: np.column_stack(occasions) for device, occasions in again.items()},
        )
        table.check(where)
        return table

    def check(self, where: str = "the measurements") -> None:
        """Check that all values are possible measurements.

        Raises
        ------
        DataError
            If it names an architecture twice, an accuracy is not a percentage, or a device's value cannot have been
            measured (NaN, for what failed or was not measured, is allowed). ``where`` is the table's name in errors.
        """
        if len(unique(self.choices)) < len(self):
            raise DataError(f"{where} name an architecture twice (texts with the same normal form count as one)")
        if ((self.accuracy < 0) | (self.accuracy > 100)).any():
            raise DataError(f"{where} hold an accuracy that is not between 0 and 100 percent")
        for device, values in self.values.items():
            if not (possible(values) | np.isnan(values)).all():
                words = QUANTITIES[self.quantities[device]].words
                raise DataError(f"{where} hold a {words} on {device} that is not {RANGE}")


def _device_again(column: str, where: str) -> str:
    """Return the device in the name of a column of values after the search."""
    _, _, device = column.removeprefix(AGAIN).partition("_")
    if not device:
        raise DataError(f"{where}: expected a column {AGAIN}<occasion>_<device>, got {column}")
    return device


def _with_numbers(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return a table of measurements with its numbers as floats; a DataError names a cell that nothing can measure."""
    require(frame, ("architecture", "round", ACCURACY), where)
    columns = {column: number_column(frame, column, where) for column in ("round", ACCURACY)}
    rounds, accuracy = columns.values()
    whole = (rounds == np.rint(rounds)) & (rounds >= EXTRA_ROUND) & (rounds < 2**31)
    refuse(frame, "round", ~whole, f"a whole number from {EXTRA_ROUND}", where)
    refuse(frame, ACCURACY, (accuracy < 0) | (accuracy > 100), "percent from 0 to 100", where)
    for column, least in READINGS.items():
        if column in frame:
            columns[column] = values = number_column(frame, column, where)
            refuse(frame, column, (values < least) | np.isinf(values), f"a finite number from {least}", where)
    for column in map(str, frame.columns):
        if split_column_name(column)[0] or column.startswith(AGAIN):
            columns[column] = value_column(frame, column, where)
    return frame.assign(**columns)


def _below(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the rows of two arrays, completed by columns of NaN to the same number of columns."""
    joined = np.full((len(first) + len(second), max(first.shape[1], second.shape[1])), np.nan)
    joined[: len(first), : first.shape[1]], joined[len(first) :, : second.shape[1]] = first, second
    return joined


def read_cheap(path: str | os.PathLike | None, space: SearchSpace) -> Measurements | None:
    """Return the cheap readings in a table, or None where there is no table."""
    return None if path is None else Measurements.from_files([path], space)
