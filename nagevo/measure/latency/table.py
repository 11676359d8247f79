"""Latencies, or another quantity, read from a table of measurements."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import numpy as np
import pandas as pd

from nagevo.foundation.options import Option
from nagevo.foundation.quantities import LATENCY
from nagevo.measure.latency.base import Device, known_values
from nagevo.measure.tables import ArchitectureTable
from nagevo.spaces.base import SearchSpace


class TableDevice(Device):
    """Read the latency, or another quantity, of an architecture from a table."""

    exact = free = True

    def __init__(
        self,
        path: Annotated[str | os.PathLike, Option("Parquet or CSV file with a column `architecture`.", path=True)],
        column: Annotated[
            str | None, Option("Column of the values; null for the column named like the quantity.")
        ] = None,
        measures: Annotated[
            Literal["latency_ms", "energy_mj", "file_kb"],
            Option("Quantity that is measured: latencies in ms, energies in mJ or sizes of files in kB."),
        ] = LATENCY,
    ):
        self.measures = measures
        self.table = ArchitectureTable(path, column or measures)

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return the latency of each architecture; what is absent or no latency has a status that says so.

        Raises
        ------
        DataError
            If the table is absent, damaged, lacks a column, or is of another space.
        """
        return known_values(self.table.values(space, choices), self.table.path, self.measures)
