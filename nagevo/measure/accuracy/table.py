"""Accuracies from a table."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import numpy as np
import pandas as pd

from nagevo.foundation.options import Option
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.status import NO_PERCENTAGE, OK, UNKNOWN
from nagevo.measure.tables import ArchitectureTable
from nagevo.spaces.base import SearchSpace

log = logging.getLogger(__name__)


class TableEvaluator(Evaluator):
    """Read the accuracy of an architecture from a table.

    Raises
    ------
    DataError
        If the table is absent, damaged, lacks a column, or is of another space.
    """

    exact = True

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        path: Annotated[str | os.PathLike, Option("Parquet or CSV file with a column `architecture`.", path=True)],
        column: Annotated[str, Option("Column of accuracies in percent.")],
        test_column: Annotated[
            str | None,
            Option("Column of test accuracies in percent; the same column by default."),
        ] = None,
        texts: Annotated[
            str, Option("Column of the architectures; `model` in timm's tables of results.")
        ] = "architecture",
    ):
        super().__init__(space, seed=seed)
        self.tables = {
            "validation": ArchitectureTable(path, column, texts),
            "test": ArchitectureTable(path, test_column or column, texts),
        }
        for table in self.tables.values():
            table.values(space, space.extremes())  # a table that cannot be used shows itself now
        if 0 < self.tables["validation"].largest <= 1:
            log.warning(f"table {path}, column {column}: expected accuracies in percent, got none above 1: fractions?")

    def evaluate(self, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        table = self.tables[split]
        values = table.values(self.space, choices)
        valid = (values >= 0) & (values <= 100)
        absent = f"{UNKNOWN}not in {table.path}"
        status = np.select([valid, np.isnan(values)], [OK, absent], NO_PERCENTAGE)
        return pd.DataFrame({"accuracy": np.where(valid, values, np.nan), "status": status})
