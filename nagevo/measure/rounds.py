"""The tables that the jobs of a search write, joined into measurements."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nagevo.foundation.quantities import column_name, measured_quantity
from nagevo.foundation.tables import number_column, read_table, require
from nagevo.measure.latency.condition import conditions, restated
from nagevo.measure.measurements import EXTRA_ROUND, FAILURE, READINGS, Measurements
from nagevo.measure.status import ACCURACY, OK, reasons, refuse_all_failed
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    import pandas as pd


def read_rounds(paths: Sequence[str | os.PathLike], space: SearchSpace) -> Measurements:
    """Return what the jobs of some rounds measured.

    Parameters
    ----------
    paths : sequence of path
        In the order of the rounds: the proposals of each round (tables with ``architecture`` and no ``status``), and
        the tables of the devices and of the evaluator.

    Raises
    ------
    DataError
        If a file is absent, damaged or lacks a column.
    DeviceError
        If all of the first round failed on a device, or to give an accuracy.
    """
    tables = {str(path): read_table(path, ("architecture",)) for path in paths}
    proposals = [table["architecture"].tolist() for table in tables.values() if "status" not in table]
    return join_batches(proposals, {path: table for path, table in tables.items() if "status" in table}, space)


def join_batches(
    proposals: Sequence[Sequence[str]], shards: Mapping[str, pd.DataFrame], space: SearchSpace
) -> Measurements:
    """Return the measurements of the proposals of some rounds; see :func:`join_rounds`."""
    measurements = Measurements.from_frame(join_rounds(proposals, shards), space)
    return replace(measurements, conditions=conditions(shards))


def join_rounds(
    proposals: Sequence[Sequence[str]] | Sequence[Sequence[int]], shards: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Return what was measured of the proposals of some rounds, as :meth:`Measurements.to_frame` does.

    Parameters
    ----------
    proposals : sequence of sequence of str or int
        Architectures of each round, as texts or numbered as in the shards; all others were measured beyond the rounds.
    shards : mapping of str to DataFrame
        As for :func:`join_shards`.

    Raises
    ------
    DeviceError
        If all of the first round failed on a device, or to give an accuracy.
    """
    import pandas as pd

    joined = join_shards(shards)
    round_of = {text: number for number, batch in enumerate(proposals) for text in batch}
    extra = joined.index[~joined.index.isin(list(round_of))]
    frame = joined.reindex(extra.append(pd.Index(list(round_of), dtype=extra.dtype)).rename("architecture"))
    rounds = np.array(list(round_of.values()), dtype=int)
    frame.insert(0, "round", np.concatenate([np.full(len(extra), EXTRA_ROUND), rounds]))
    first = frame[frame["round"] == 0]
    for column in frame.columns[frame.columns.str.startswith(FAILURE)]:
        refuse_all_failed(first[column].fillna("").replace("", OK).tolist(), column.removeprefix(FAILURE))
    return frame.reindex(columns=list(dict.fromkeys(["round", ACCURACY, *frame.columns]))).reset_index()


def join_shards(shards: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the measurements of several jobs, by ``architecture``, with the columns of :meth:`Measurements.to_frame`.

    Timed values are those of one condition: see :func:`nagevo.measure.latency.condition.restated`.

    Parameters
    ----------
    shards : mapping of str to DataFrame
        Tables with ``architecture``, ``status`` and either ``accuracy``, or ``device`` and a quantity, by what they are
        called in errors. If several tables contain an architecture, the last one is used.

    Raises
    ------
    DataError
        If a table lacks a column.
    """
    import pandas as pd

    shards = restated(shards)
    columns: dict[str, list[pd.Series]] = {}
    failures: dict[str, list[pd.Series]] = {}

    def add(name: str, value_column: str, rows: pd.DataFrame) -> None:
        column = value_column.removesuffix(f"_{name}")
        columns.setdefault(value_column, []).append(rows[column])
        failures.setdefault(name, []).append(pd.Series(reasons(rows, column), index=rows.index, dtype=object))

    for path, shard in shards.items():
        require(shard, ("architecture", "status"), f"table {path}")
        quantity = ACCURACY if ACCURACY in shard else measured_quantity(shard, f"table {path}")
        table = shard.assign(**{quantity: number_column(shard, quantity, f"table {path}")}).set_index("architecture")
        if quantity == ACCURACY:
            add(ACCURACY, ACCURACY, table)
            for name in READINGS:
                if name in table:
                    columns.setdefault(name, []).append(table[name])
            continue
        require(table, ("device",), f"table {path}")
        for device, rows in table.groupby("device"):
            add(str(device), column_name(quantity, str(device)), rows)
    columns |= {FAILURE + name: parts for name, parts in failures.items() if any((part != "").any() for part in parts)}
    joined = {name: pd.concat(parts) for name, parts in columns.items()}
    joined = {name: column[~column.index.duplicated(keep="last")] for name, column in joined.items()}
    architectures = pd.concat([column.index.to_series() for column in joined.values()] or [pd.Series(dtype=str)])
    return pd.DataFrame(joined, index=pd.Index(architectures.unique(), name="architecture"))
