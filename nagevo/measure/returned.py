"""Checks of the tables that users' own devices and evaluators return, before they are used."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd

from nagevo.foundation.errors import DataError
from nagevo.foundation.quantities import RANGE, checked, possible
from nagevo.foundation.tables import as_number, require
from nagevo.measure.status import ACCURACY, NO_PERCENTAGE, OK
from nagevo.spaces.base import SearchSpace

ADDED = ("architecture", "device")
"""Columns that nagevo adds to the tables of devices and evaluators."""


def checked_measure(measure: Callable) -> Callable:
    """Return the method ``measure`` of a device with its table checked; it gets a copy of the architectures."""

    @wraps(measure)
    def checked_one(self: Any, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        if type(self).measure is not checked_one:  # called by the method of a subclass, whose table is checked
            return measure(self, space, choices)
        user = f"{type(self).__qualname__}.measure"
        table = _called(user, measure, self, space, choices.copy())
        return valid_rows(table, len(choices), checked(self.measures), user)

    return checked_one


def checked_evaluate(evaluate: Callable) -> Callable:
    """Return the method ``evaluate`` of an evaluator with its table checked; it gets a copy of the architectures."""

    @wraps(evaluate)
    def checked_one(self: Any, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        if type(self).evaluate is not checked_one:
            return evaluate(self, choices, split=split)
        user = f"{type(self).__qualname__}.evaluate"
        table = _called(user, evaluate, self, choices.copy(), split=split)
        return valid_rows(table, len(choices), ACCURACY, user)

    return checked_one


def _called(user: str, method: Callable, *args: Any, **options: Any) -> Any:
    """Return what a method returns, or raise a DataError where it does not take what nagevo gives it."""
    try:
        inspect.signature(method).bind(*args, **options)
    except TypeError as error:
        raise DataError(f"{user} does not take what nagevo gives it: {error}") from None
    return method(*args, **options)


def is_builtin(kind: type) -> bool:
    """Return whether a class is part of nagevo: it returns valid rows and is not checked."""
    return kind.__module__.startswith("nagevo.")


def valid_rows(table: Any, n: int, column: str, user: str) -> pd.DataFrame:
    """Return a table of measurements in which each number that cannot be is NaN and has a status that says why.

    Parameters
    ----------
    n : int
        Number of architectures, each a row.
    column : str
        Column of the numbers: ``accuracy``, or a device's quantity.
    user : str
        Name of what returned it, in errors.

    Raises
    ------
    DataError
        If it is no table of so many rows, lacks a column, or has one twice or one that nagevo adds.

    >>> table = pd.DataFrame({"latency_ms": [2, -1], "status": "ok"})
    >>> valid_rows(table, 2, "latency_ms", "Mine.measure")["status"].tolist()
    ['ok', 'not a number from 1e-12 to 1e+12']
    """
    expected = f"{user}: expected a DataFrame of {n} rows with the columns {column} and status"
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{expected}, got {type(table).__name__}")
    if len(table) != n:
        raise DataError(f"{expected}, got {len(table)} rows")
    require(table, (column, "status"), f"{expected}: what it returned")
    added = [name for name in ADDED if name in table]
    if added:
        raise DataError(f"{expected}, and without {added[0]}, which nagevo adds")
    table = table.reset_index(drop=True)
    numbers = [as_number(value) for value in table[column]]
    values = np.array(numbers, dtype=float)
    valid = (values >= 0) & (values <= 100) if column == ACCURACY else possible(values)
    impossible = NO_PERCENTAGE if column == ACCURACY else f"not {RANGE}"
    reason = np.where([number is None for number in numbers], "not a number", impossible)
    status = table["status"].astype(str)
    wrong = ~valid & table[column].notna() & (status == OK)
    return table.assign(**{column: np.where(valid, values, np.nan), "status": status.mask(wrong, reason)})
