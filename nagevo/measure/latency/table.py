"""Latencies, or another quantity, read from a table of measurements."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from nagevo.foundation.quantities import LATENCY, checked
from nagevo.measure.latency.base import Device, known_values
from nagevo.measure.tables import ArchitectureTable
from nagevo.spaces.base import SearchSpace


class TableDevice(Device):
    """Read the latency, or another quantity, of an architecture from a table.

    Parameters
    ----------
    path : str
        Parquet or CSV file with a column ``architecture``.
    column : str, optional
        Name of the column, in the unit of the quantity; that of the quantity by default.
    measures : str
        The quantity: a key of :data:`nagevo.foundation.quantities.QUANTITIES`.
    """

    exact = True

    def __init__(self, path: str | os.PathLike, column: str | None = None, measures: str = LATENCY):
        self.measures = checked(measures)
        self.table = ArchitectureTable(path, column or measures)

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return the latency of each architecture; what is absent or no latency has a status that says so.

        Raises
        ------
        DataError
            If the table is absent, damaged, lacks a column, or is of another space.
        """
        return known_values(self.table.values(space, choices), self.table.path, self.measures)
