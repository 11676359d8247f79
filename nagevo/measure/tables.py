"""Values of architectures that are read from a table instead of measured."""

from __future__ import annotations

import logging
import math
import os
from typing import TYPE_CHECKING

import numpy as np

from nagevo.foundation.errors import ArchitectureError, DataError
from nagevo.foundation.tables import number_column, read_table, row_name, text_column
from nagevo.spaces.base import RowIndex, SearchSpace
from nagevo.spaces.suffixes import at_pixels

if TYPE_CHECKING:
    import pandas as pd


log = logging.getLogger(__name__)


class ArchitectureTable:
    """A column of numbers, found by architecture.

    Parameters
    ----------
    path : str
        Parquet or CSV file with a column ``architecture`` of texts.
    column : str
        Name of the column of numbers.
    texts : str
        Name of the column of texts.

    Notes
    -----
    An architecture is looked for in its normal form; where the table has no number for it, any text that means the
    same network will do. Where several come into question, the number is that of the normal (or canonical) text, or
    else that of the first.
    """

    def __init__(self, path: str | os.PathLike, column: str, texts: str = "architecture"):
        self.path, self.column, self.texts = path, column, texts
        self._found_for: tuple[SearchSpace, _Numbers, _Numbers] | None = None

    def values(self, space: SearchSpace, choices: np.ndarray) -> np.ndarray:
        """Return the number of each architecture, shape (n,); NaN where the table has none.

        Parameters
        ----------
        choices : ndarray of int8, shape (n, n_choices)

        Raises
        ------
        DataError
            If the file is absent, damaged, lacks a column, or holds a cell that is not a number or an architecture.
        """
        if self._found_for is None or self._found_for[0] is not space:
            self._found_for = space, *self._read(space)
        _, by_normal, by_canonical = self._found_for
        exact, equal = by_normal.of(space.normal(choices)), by_canonical.of(space.canonical(choices))
        return np.where(np.isnan(exact), equal, exact)

    @property
    def largest(self) -> float:
        """The largest number that was read of the table; NaN where there is none."""
        numbers = np.empty(0) if self._found_for is None else self._found_for[1].given
        return float(np.nanmax(numbers)) if np.isfinite(numbers).any() else math.nan

    def _read(self, space: SearchSpace) -> tuple[_Numbers, _Numbers]:
        """Return the numbers by the normal and by the canonical form."""
        where = f"table {self.path}"
        table = read_table(self.path, (self.texts, self.column))
        frame = at_resolution(table.assign(architecture=table[self.texts]), space, where)
        frame = frame[space.lists(text_column(frame, "architecture", where))]
        values = number_column(frame, self.column, where)
        choices = parse_architectures(frame, space, where)
        return _Numbers(space.normal(choices), choices, values), _Numbers(space.canonical(choices), choices, values)


def read_architectures(path: str | os.PathLike, space: SearchSpace) -> np.ndarray:
    """Return the choices, shape (n_rows, n_choices), of the column ``architecture`` of a table.

    Raises
    ------
    DataError
        If the file is absent, damaged, lacks the column, or holds a text that is not an architecture of the space.
    """
    where = f"table {path}"
    table = read_table(path, ("architecture",))
    if not len(table):
        log.warning(f"{where} has no rows")
    return parse_architectures(at_resolution(table, space, where), space, where)


def at_resolution(frame: pd.DataFrame, space: SearchSpace, where: str) -> pd.DataFrame:
    """Return a table with the column ``resolution``, if it has one, as a suffix of the architectures' texts.

    Rows at a resolution that the space does not have are left out. Where architectures do not choose their resolution,
    the table is returned as it is.
    """
    if "resolution" not in frame or len(space.resolutions) < 2:
        return frame
    pixels = number_column(frame, "resolution", where)
    texts = text_column(frame, "architecture", where)
    texts = [at_pixels(text, value) for text, value in zip(texts, pixels, strict=True)]
    return frame.assign(architecture=texts)[np.isin(pixels, space.resolutions)]


def parse_architectures(frame: pd.DataFrame, space: SearchSpace, where: str) -> np.ndarray:
    """Return the choices, shape (n_rows, n_choices), of the column ``architecture``.

    Raises
    ------
    DataError
        If a text is not an architecture of the space; ``where`` is the name of the table.
    """
    texts = text_column(frame, "architecture", where)
    try:
        return space.from_text(texts)
    except ArchitectureError:
        for row, text in zip(frame.index, texts, strict=True):
            try:
                space.from_text([text])
            except ArchitectureError as error:
                raise DataError(f"{where}, {row_name(row)}: {error}") from None
        raise


class _Numbers:
    """One number for each distinct row of ``form``: of the row that is written so, else of the first."""

    def __init__(self, form: np.ndarray, written: np.ndarray, values: np.ndarray):
        order = np.argsort(~(form == written).all(axis=1), kind="stable")[::-1]  # of equal rows the last is found
        self._index, self._values = RowIndex(form[order]), np.append(values[order], np.nan)

    @property
    def given(self) -> np.ndarray:
        return self._values[:-1]

    def of(self, choices: np.ndarray) -> np.ndarray:
        return self._values[self._index.rows(choices)]
