"""Readings of adapted devices: in the bundle, and as files of the experiment that the next distillation reads again."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.quantities import RANGE, checked, measured_quantity, possible, value_column
from nagevo.generator.requests import real_number, shown
from nagevo.measure.latency.condition import checked_entry
from nagevo.spaces.base import RowIndex, SearchSpace, unique


@dataclass(frozen=True)
class Readings:
    """All that was read of a device, several readings of one architecture included.

    Attributes
    ----------
    quantity : str
        A key of :data:`nagevo.foundation.quantities.QUANTITIES`.
    exact : bool
        Whether a second reading gives the same number.
    choices : ndarray of int8, shape (n, n_choices)
        In normal form.
    values : ndarray, shape (n,)
        NaN where the architecture failed.
    condition : mapping, optional
        Condition in which the latest readings were timed, as in ``conditions.json``; None where it is not known.
    """

    quantity: str
    exact: bool
    choices: np.ndarray
    values: np.ndarray
    condition: Mapping[str, Any] | None = None

    @classmethod
    def parse(
        cls,
        space: SearchSpace,
        measurements: Mapping[str, float | Iterable[float]],
        quantity: str,
        *,
        exact: bool,
        condition: Mapping[str, Any] | None = None,
    ) -> Readings:
        """Return the readings in a mapping from texts of architectures to one or several numbers; NaN where it failed.

        Raises
        ------
        DataError
            If a reading is neither a number that can have been measured nor NaN.
        ArchitectureError
            If a text is not an architecture of the space.
        """
        if not hasattr(measurements, "items"):
            raise DataError(f"expected latencies in ms by architecture, got {measurements!r}"[:300])
        texts, values = [], []
        for text, read in measurements.items():
            for value in _numbers(text, read):
                if not (possible(np.array(value)) or math.isnan(value)):
                    raise DataError(f"expected {RANGE} as {quantity}, got {value} for {text}")
                texts.append(text)
                values.append(value)
        choices = space.normal(space.from_text(texts))
        told = None if condition is None else checked_entry(condition, "the option condition")
        return cls(checked(quantity), bool(exact), choices, np.array(values, dtype=float), told)

    def extended(self, later: Readings) -> Readings:
        """Return these readings and later ones of the same quantity."""
        choices, values = (np.concatenate([getattr(self, k), getattr(later, k)]) for k in ("choices", "values"))
        return replace(later, choices=choices, values=values, condition=later.condition or self.condition)

    def combined(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the distinct architectures, and the median of the readings of each; NaN where all failed."""
        choices = unique(self.choices)
        row = RowIndex(choices).rows(self.choices)
        read = [self.values[(row == number) & np.isfinite(self.values)] for number in range(len(choices))]
        return choices, np.array([np.median(values) if len(values) else np.nan for values in read])

    def write(self, folder: str | os.PathLike, device: str, space: SearchSpace) -> None:
        """Write the file of a device into a folder.

        Its columns are ``architecture``, the quantity, ``exact``, and the ``condition`` as JSON where it is known.
        """
        import pandas as pd

        from nagevo.foundation.tables import write_table

        columns: dict[str, Any] = {"architecture": space.to_text(self.choices), self.quantity: self.values}
        columns["exact"] = self.exact
        if self.condition is not None:
            columns["condition"] = json.dumps(dict(self.condition))
        write_table(pd.DataFrame(columns), Path(folder) / f"{device}.parquet")

    @classmethod
    def read(cls, path: Path, space: SearchSpace) -> Readings:
        """Return the readings in the file of a device.

        Raises
        ------
        DataError
            If there is no such file, or it holds something else.
        """
        from nagevo.foundation.tables import read_table, refuse
        from nagevo.measure.tables import parse_architectures

        table = read_table(path, ("architecture", "exact"))
        quantity = measured_quantity(table, f"table {path}")
        choices = space.normal(parse_architectures(table, space, f"table {path}"))
        values = value_column(table, quantity, f"table {path}")
        refuse(table, "exact", ~table["exact"].isin([True, False]).to_numpy(), "true or false", f"table {path}")
        for column in ("exact", "condition"):  # of the device, not of a row
            told = table[column].map(str).to_numpy() if column in table else np.empty(0)
            refuse(table, column, told != told[:1], "the same as in row 1", f"table {path}")
        condition = _condition(table["condition"].iloc[0], path) if "condition" in table and len(table) else None
        return cls(quantity, bool(table["exact"].any()), choices, values, condition)


def adapted_folder(bundle: str | os.PathLike) -> Path | None:
    """Return where an experiment keeps the readings of the devices that its bundle was adapted to.

    None for a bundle that is not called ``generator``, as those of experiments are.
    """
    folder = Path(bundle).resolve()
    return folder.parent / "adapted" if folder.name == "generator" else None


def adapted_files(bundle: str | os.PathLike) -> dict[str, Path]:
    """Return by device the files with the readings of the devices that an experiment's bundle was adapted to."""
    folder = adapted_folder(bundle)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.parquet"))}


def _condition(text: Any, path: Path) -> dict[str, Any]:
    """Return the condition in a file of readings."""
    try:
        return checked_entry(json.loads(text), f"table {path}")
    except (RecursionError, TypeError, ValueError):
        raise DataError(f"table {path}: expected the condition of the device as JSON, got {text!r}"[:300]) from None


def _numbers(text: str, read: float | Iterable[float]) -> list[float]:
    alone = isinstance(read, Real | str | bytes | Mapping) or not isinstance(read, Iterable)
    several: Any = [read] if alone else read
    try:
        return [real_number(value) for value in several]
    except (TypeError, ValueError):
        raise DataError(f"expected latencies in ms by architecture, got {shown(read)} for {text}"[:300]) from None
