"""Whether measuring succeeded, and why not: the column ``status`` of the tables of devices and evaluators."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nagevo.foundation.errors import DeviceError, NagevoError, described
from nagevo.foundation.tables import read_table, write_table
from nagevo.measure.tables import parse_architectures
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

OK = "ok"
"""Status of a row that was measured; any other status is the reason why it was not."""
UNKNOWN = "unknown: "
"""Prefix of a status that says that the row was never measured, not that measuring failed."""
NO_PERCENTAGE = "not between 0 and 100 percent"
"""Status of an accuracy that cannot be."""
ACCURACY = "accuracy"
"""Column of accuracies; no device has this name."""
MOST_REASONS = 3
"""Number of reasons named where failures are counted."""


def reason(error: Exception) -> str:
    """Return one line that says what went wrong."""
    return " ".join(str(error).split())[:200] if isinstance(error, NagevoError) else described(error)


def outcomes(table: pd.DataFrame, column: str) -> np.ndarray:
    """Return the status of each row of a device's or an evaluator's table, shape (n,).

    It is never ``"ok"`` where ``column``, that of the numbers, holds none.
    """
    status = table["status"].astype(str)
    return status.mask(table[column].isna() & (status == OK), "gave no number").to_numpy(dtype=object)


def reasons(table: pd.DataFrame, column: str) -> np.ndarray:
    """Return why the rows of such a table failed, shape (n,); empty where they did not, or were never measured."""
    status = outcomes(table, column)
    return np.array(["" if text == OK or text.startswith(UNKNOWN) else text for text in status], dtype=object)


def failure_summary(reasons: np.ndarray, name: str) -> str:
    """Return one line that counts failures of a device, or of :data:`ACCURACY`, by reason; empty if nothing failed.

    >>> failure_summary(np.array(["", "out of memory", "took longer than 60 s", "out of memory"]), "phone")
    '3 of 4 failed on phone: 2 × out of memory; 1 × took longer than 60 s'
    """
    counts = Counter(reason for reason in reasons if reason).most_common()
    if not counts:
        return ""
    shown = [f"{count} × {reason}" for reason, count in counts[:MOST_REASONS]]
    rest = sum(count for _, count in counts[MOST_REASONS:])
    others = [f"{rest} for other reasons"] if rest else []
    n = sum(count for _, count in counts)
    return f"{n} of {len(reasons)} failed {_where(name)}: {'; '.join([*shown, *others])}"


def refuse_all_failed(status: Sequence[str] | np.ndarray, name: str) -> None:
    """Check that something was measured of a device, or of :data:`ACCURACY`, if anything was tried.

    Raises
    ------
    DeviceError
        With the first reason.
    """
    if len(status) and OK not in status:
        raise DeviceError(f"{len(status)} of {len(status)} failed {_where(name)}, the first: {status[0]}")


def _where(name: str) -> str:
    return "to give an accuracy" if name == ACCURACY else f"on {name}"


def measure_failed_again(
    paths: Sequence[str | os.PathLike],
    column: str,
    space: SearchSpace,
    measure: Callable[[np.ndarray], pd.DataFrame],
) -> Iterator[str]:
    """Measure again the rows that failed in tables of a device or an evaluator, and write the tables that have any.

    Parameters
    ----------
    paths : sequence of path
        Tables with ``architecture`` and ``status``.
    column : str
        Column of the numbers.
    measure : callable
        From choices to the table of the device or the evaluator.

    Yields
    ------
    str
        One line for each table that was written.
    """
    for path in paths:
        table = read_table(path, ("architecture", column, "status"))
        rows = np.flatnonzero(reasons(table, column) != "")
        if not len(rows):
            continue
        again = measure(parse_architectures(table.iloc[rows], space, f"table {path}"))
        columns = [column for column in again.columns if column in table]
        table.loc[rows, columns] = again[columns].to_numpy()
        write_table(table.astype(again[columns].dtypes.to_dict()), path)
        left = int((reasons(again, column) != "").sum())
        yield f"{path}: {len(rows)} measured again, {left} of them failed again"
