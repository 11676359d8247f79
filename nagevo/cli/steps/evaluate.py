"""``nagevo step evaluate``: the metrics of the answers after measuring again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, Output


def run(
    config: Config,
    answers: Annotated[Path, typer.Option(help="What `nagevo step answer` wrote.")],
    output: Output,
    tables: Annotated[list[Path], typer.Argument(help="Test accuracies and latencies of the answers, by shard.")],
) -> None:
    """Compare the answers with what their networks reach when they are measured again."""
    import pandas as pd

    from nagevo.evaluate import answers as evaluation
    from nagevo.experiment.config import load_config
    from nagevo.foundation.files import write_json
    from nagevo.foundation.quantities import measured_quantity
    from nagevo.foundation.tables import read_table

    experiment = load_config(config)
    measured = [read_table(path, ("architecture", "status")) for path in tables]
    accuracies = pd.concat([table for table in measured if "accuracy" in table])
    values = pd.concat(
        [
            table.rename(columns={measured_quantity(table, "a table of latencies"): "measured"})
            for table in measured
            if "accuracy" not in table
        ]
    )
    again = evaluation.measured_again(read_table(answers, ("device", "budget", "method")), accuracies, values)
    write_json(evaluation.summary(again, experiment.search.evaluations, experiment.evaluation), output)
