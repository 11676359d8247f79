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
    Texts that mean the same network are one architecture. Where several of them stand in the table, the number is that
    of the canonical text, or else that of the first.
    """

    def __init__(self, path: str | os.PathLike, column: str):
        self.path, self.column = path, column
        self._found_for: tuple[SearchSpace, pd.Series] | None = None

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
        return self._by_key(space).reindex(_keys(space.canonical(choices))).to_numpy()

    def _by_key(self, space: SearchSpace) -> pd.Series:
        """Return the numbers by key of canonical architecture; read once for each space."""
        if self._found_for is None or self._found_for[0] is not space:
            self._found_for = space, self._read(space)
        return self._found_for[1]

    def _read(self, space: SearchSpace) -> pd.Series:
        frame = read_table(self.path, ("architecture", self.column))
        try:
            numbers = pd.to_numeric(frame[self.column]).to_numpy(dtype=float)
            choices = space.from_text(frame["architecture"].tolist())
        except ArchitectureError as error:
            raise DataError(f"table {self.path}: {error}") from None
        except (ValueError, TypeError) as error:
            raise DataError(f"table {self.path}: column {self.column} holds what is no number: {error}") from None
        canonical = space.canonical(choices)
        as_written = (canonical == choices).all(axis=1)
        order = np.argsort(~as_written, kind="stable")
        by_key = pd.Series(numbers[order], index=_keys(canonical[order]))
        return by_key[~by_key.index.duplicated()]


def _keys(choices: np.ndarray) -> pd.Index:
    """Return one hashable key for each row."""
    return pd.Index([row.tobytes() for row in choices.astype(np.int8)], dtype=object)
