"""What was measured of which architecture: the table that all stages share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.tables import number_column, read_table, require
from nagevo.measure.tables import parse_architectures
from nagevo.spaces.base import SearchSpace, row_keys, without

if TYPE_CHECKING:
    import pandas as pd

EXTRA_ROUND = -1
"""Round of rows that carry latencies only and are no evaluations."""


@dataclass(frozen=True)
class Measurements:
    """All that is known of the measured architectures, in the order in which it was read.

    Attributes
    ----------
    choices : ndarray of int8, shape (n, n_choices)
        In normal form, all distinct.
    round : ndarray of int, shape (n,)
        The round that proposed each; ``EXTRA_ROUND`` for latencies without an accuracy.
    accuracy : ndarray, shape (n,)
        Percent; NaN where it failed or was not read.
    latency_ms : dict of ndarray, shape (n,)
        By device; NaN where it failed.
    """

    choices: np.ndarray
    round: np.ndarray
    accuracy: np.ndarray
    latency_ms: dict[str, np.ndarray]

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
        return tuple(self.latency_ms)

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
        latency_ms = {device: values[mask] for device, values in self.latency_ms.items()}
        return Measurements(self.choices[mask], self.round[mask], self.accuracy[mask], latency_ms)

    def rounds(self) -> Iterator[Measurements]:
        """Yield the rows of each round in turn."""
        for number in range(self.n_rounds):
            yield self.rows(self.round == number)

    def complete(self, device: str) -> Measurements:
        """Return the rows that have both an accuracy and a latency on the device."""
        return self.rows(np.isfinite(self.accuracy) & np.isfinite(self.latency_ms[device]))

    def objectives(self, device: str) -> np.ndarray:
        """Return error (percent) and latency (ms) of every row, shape (n, 2), both minimized."""
        return np.column_stack([100.0 - self.accuracy, self.latency_ms[device]])

    def for_devices(self, devices: Sequence[str]) -> Measurements:
        """Return the same rows with just these devices; one that was never measured is NaN throughout."""
        unknown = np.full(len(self), np.nan)
        latency_ms = {device: self.latency_ms.get(device, unknown) for device in devices}
        return Measurements(self.choices, self.round, self.accuracy, latency_ms)

    def with_latencies(self, device: str, choices: np.ndarray, latency_ms: np.ndarray) -> Measurements:
        """Return these rows with latencies on a device; architectures that are new follow with nothing else known.

        Parameters
        ----------
        device : str
            A new one, or one of which these latencies are known better than those in the table.
        choices : ndarray of int8, shape (n, n_choices)
            In normal form, distinct.
        latency_ms : ndarray, shape (n,)
        """
        new = without(choices, self.choices)
        nothing = np.full(len(new), np.nan)
        devices = tuple(dict.fromkeys([*self.devices, device]))
        extra = Measurements(new, np.full(len(new), EXTRA_ROUND), nothing, dict.fromkeys(devices, nothing))
        extended = self.for_devices(devices).extended(extra)
        row_of = {key: row for row, key in enumerate(row_keys(extended.choices).tolist())}
        column = extended.latency_ms[device].copy()
        column[[row_of[key] for key in row_keys(choices).tolist()]] = latency_ms
        return replace(extended, latency_ms=extended.latency_ms | {device: column})

    def extended(self, other: Measurements) -> Measurements:
        """Return these rows followed by the other's; both must know the same devices."""
        joined = {
            device: np.concatenate([self.latency_ms[device], other.latency_ms[device]]) for device in self.devices
        }
        return Measurements(
            np.concatenate([self.choices, other.choices]),
            np.concatenate([self.round, other.round]),
            np.concatenate([self.accuracy, other.accuracy]),
            joined,
        )

    def to_frame(self, space: SearchSpace) -> pd.DataFrame:
        """Return the table as it is written: ``architecture, round, accuracy, latency_ms_<device>…``."""
        import pandas as pd

        columns = {"architecture": space.to_text(self.choices), "round": self.round, "accuracy": self.accuracy}
        return pd.DataFrame(columns | {f"latency_ms_{device}": values for device, values in self.latency_ms.items()})

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
        frame = pd.concat([read_table(path, ("architecture", "round", "accuracy")) for path in paths])
        frame["round"] = number_column(frame, "round", where)
        frame = frame.sort_values("round", kind="stable")
        evaluated = frame.loc[frame["round"] != EXTRA_ROUND, "architecture"]
        superseded = (frame["round"] == EXTRA_ROUND) & frame["architecture"].isin(evaluated)
        return cls.from_frame(frame[~superseded], space, where)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, space: SearchSpace, where: str = "the measurements") -> Measurements:
        """Return what :meth:`to_frame` wrote; ``where`` is what the table is called in errors.

        Raises
        ------
        DataError
            If it does not hold measurements of the space: see :meth:`check`.
        """
        choices = space.normal(parse_architectures(frame, space, where))
        prefix = "latency_ms_"
        latency_ms = {
            column.removeprefix(prefix): number_column(frame, column, where)
            for column in map(str, frame.columns)
            if column.startswith(prefix)
        }
        rounds, accuracy = (number_column(frame, column, where) for column in ("round", "accuracy"))
        if not ((rounds == np.rint(rounds)) & (rounds >= EXTRA_ROUND) & (rounds < 2**31)).all():
            raise DataError(f"{where}: expected whole numbers from {EXTRA_ROUND} in the column round")
        table = cls(choices, rounds.astype(int), accuracy, latency_ms)
        table.check(where)
        return table

    def check(self, where: str = "the measurements") -> None:
        """Check that this can have been measured.

        Raises
        ------
        DataError
            If an architecture stands in it twice, an accuracy is no percentage, or a latency is not positive and
            finite; NaN, for what failed or was not read, is neither. ``where`` is what the table is called.
        """
        if len(np.unique(self.choices, axis=0)) < len(self):
            raise DataError(f"{where} name an architecture twice (texts with the same normal form count as one)")
        if ((self.accuracy < 0) | (self.accuracy > 100)).any():
            raise DataError(f"{where} hold an accuracy that is not between 0 and 100 percent")
        for device, values in self.latency_ms.items():
            if ((values <= 0) | np.isinf(values)).any():
                raise DataError(f"{where} hold a latency on {device} that is not a positive finite number")


def read_shards(paths: Sequence[str | os.PathLike]) -> pd.DataFrame:
    """Return what several jobs measured: ``accuracy`` and ``latency_ms_<device>…``, indexed by ``architecture``.

    Parameters
    ----------
    paths : sequence of path
        Tables with ``architecture`` and either ``accuracy``, or ``device`` and ``latency_ms``.

    Raises
    ------
    DataError
        If a file is absent, damaged or lacks a column, or two of them hold the same number of one architecture.
    """
    import pandas as pd

    columns: dict[str, list[pd.Series]] = {}
    for path in paths:
        table = read_table(path, ("architecture", "status")).set_index("architecture")
        if "accuracy" in table:
            columns.setdefault("accuracy", []).append(table["accuracy"])
            continue
        require(table, ("device", "latency_ms"), f"table {path}")
        for device, rows in table.groupby("device"):
            columns.setdefault(f"latency_ms_{device}", []).append(rows["latency_ms"])
    joined = {name: pd.concat(parts) for name, parts in columns.items()}
    for name, column in joined.items():
        if not column.index.is_unique:
            raise DataError(f"{', '.join(map(str, paths))} hold {name} of an architecture twice")
    architectures = pd.concat([column.index.to_series() for column in joined.values()]).unique()
    return pd.DataFrame(joined, index=pd.Index(architectures, name="architecture"))


def read_occasions(paths: Sequence[str | os.PathLike], device: str) -> pd.Series:
    """Return for each architecture the number of the table in which its latency on the device stands.

    Parameters
    ----------
    paths : sequence of path
        As for :func:`read_shards`; a table was measured in one go.
    """
    import pandas as pd

    parts = []
    for number, path in enumerate(paths):
        table = read_table(path, ("architecture",))
        if "device" in table:
            parts.append(pd.Series(number, index=table.loc[table["device"] == device, "architecture"]))
    return pd.concat(parts)
