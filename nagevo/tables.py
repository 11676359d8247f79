"""Values of architectures that are read from a table instead of measured."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from nagevo.errors import ArchitectureError, DataError
from nagevo.files import read_table
from nagevo.spaces.base import SearchSpace


class ArchitectureTable:
    """A column of numbers, found by architecture.

    Parameters
    ----------
    path : str
        Parquet or CSV file with a column ``architecture`` of texts.
    column : str
        Name of the column of numbers.

    Notes
    -----
    An architecture is looked for in its normal form; where the table has no number for it, any text that means the
    same network will do. Where several come into question, the number is that of the normal (or canonical) text, or
    else that of the first.
    """

    def __init__(self, path: str | os.PathLike, column: str):
        self.path, self.column = path, column
        self._found_for: tuple[SearchSpace, pd.Series, pd.Series] | None = None

    def values(self, space: SearchSpace, choices: np.ndarray) -> np.ndarray:
        """Return the number of each architecture, shape (n,); NaN where the table has none.

        Parameters
        ----------
        space : SearchSpace
        choices : ndarray of int8, shape (n, n_choices)

        Raises
        ------
        DataError
            If the file is absent, damaged, lacks a column, or holds what is no number or no architecture of the space.
        """
        if self._found_for is None or self._found_for[0] is not space:
            self._found_for = space, *self._read(space)
        _, by_normal, by_canonical = self._found_for
        exact = by_normal.reindex(_keys(space.normal(choices))).to_numpy()
        equal = by_canonical.reindex(_keys(space.canonical(choices))).to_numpy()
        return np.where(np.isnan(exact), equal, exact)

    def _read(self, space: SearchSpace) -> tuple[pd.Series, pd.Series]:
        """Return the numbers by key of the normal and of the canonical form."""
        frame = read_table(self.path, ("architecture", self.column))
        try:
            numbers = pd.to_numeric(frame[self.column]).to_numpy(dtype=float)
            choices = space.from_text(frame["architecture"].tolist())
        except ArchitectureError as error:
            raise DataError(f"table {self.path}: {error}") from None
        except (ValueError, TypeError) as error:
            raise DataError(f"table {self.path}: column {self.column} holds what is no number: {error}") from None
        return _by_key(space.normal(choices), choices, numbers), _by_key(space.canonical(choices), choices, numbers)


def _by_key(form: np.ndarray, written: np.ndarray, numbers: np.ndarray) -> pd.Series:
    """Return one number for each distinct row of ``form``: of the row that is written so, else of the first."""
    order = np.argsort(~(form == written).all(axis=1), kind="stable")
    by_key = pd.Series(numbers[order], index=_keys(form[order]))
    return by_key[~by_key.index.duplicated()]


def _keys(choices: np.ndarray) -> pd.Index:
    """Return one hashable key for each row."""
    return pd.Index([row.tobytes() for row in choices.astype(np.int8)], dtype=object)
