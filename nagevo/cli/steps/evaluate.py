"""``nagevo step evaluate``: the metrics of the answers after measuring again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Conditions, Config, Output


def run(
    config: Config,
    answers: Annotated[Path, typer.Option(help="File written by `nagevo step answer`.")],
    output: Output,
    conditions: Conditions,
    tables: Annotated[list[Path], typer.Argument(help="Test accuracies and latencies of the answers, by shard.")],
) -> None:
    """Compare the answers with new measurements of their networks, and write the metrics."""
    import pandas as pd

    from nagevo.evaluate import answers as evaluation
    from nagevo.experiment.config import load_config
    from nagevo.foundation.files import write_json
    from nagevo.foundation.tables import read_table
    from nagevo.measure.latency.condition import conditions as found
    from nagevo.measure.latency.condition import judged, read_conditions, restated

    experiment = load_config(config)
    measured = {str(path): read_table(path, ("architecture", "status")) for path in tables}
    accuracies = pd.concat([table for table in measured.values() if "accuracy" in table])
    timed = {path: table for path, table in measured.items() if "accuracy" not in table}
    known = read_conditions(conditions)
    values = pd.concat([judged(table, known) for table in restated(timed, known).values()])
    again = evaluation.measured_again(read_table(answers, ("device", "budget", "method")), accuracies, values)
    summary = evaluation.summary(again, experiment.search.evaluations, experiment.evaluation)
    for device, condition in found(timed, known).items():
        summary["devices"][device]["condition"] = condition.described()
    write_json(summary, output)
