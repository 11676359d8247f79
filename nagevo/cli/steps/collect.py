"""``nagevo step collect``: the accuracies and latencies of a round in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Architectures, TableOutput


def run(
    architectures: Architectures,
    output: TableOutput,
    tables: Annotated[list[Path], typer.Argument(help="What `nagevo score` and `nagevo profile` wrote.")],
    round_number: Annotated[int, typer.Option("--round", help="Number of the round.")] = 0,
) -> None:
    """Join what was measured of the proposed architectures, in their order, into one measurements table."""
    import pandas as pd

    from nagevo.foundation.tables import read_table, write_table
    from nagevo.measure.measurements import EXTRA_ROUND, FAILURE, read_shards
    from nagevo.measure.status import OK, refuse_all_failed

    proposed = read_table(architectures, ("architecture",))["architecture"]
    measured = read_shards(tables)
    extra = measured.index[~measured.index.isin(proposed)]
    joined = measured.reindex(pd.Index([*extra, *proposed], name="architecture"))
    if round_number == 0 and len(proposed):
        for column in joined.columns[joined.columns.str.startswith(FAILURE)]:
            refuse_all_failed(joined[column].fillna("").replace("", OK).tolist(), column.removeprefix(FAILURE))
    joined.insert(0, "round", [EXTRA_ROUND] * len(extra) + [round_number] * len(proposed))
    write_table(joined.reset_index(), output)
