"""``nagevo step verify``: all that is known after a verification round."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Conditions, Config, Measurements, TableOutput
from nagevo.cli.steps import read_measured


def run(
    config: Config,
    measurements: Measurements,
    conditions: Conditions,
    output: TableOutput,
    tables: Annotated[
        list[Path], typer.Argument(help="Tables of the round's accuracies, and of its latencies by occasion and shard.")
    ],
) -> None:
    """Add the measurements of a verification round to the earlier ones."""
    import pandas as pd

    from nagevo.experiment.config import load_config
    from nagevo.experiment.verification import with_verified
    from nagevo.foundation.tables import read_table, write_table

    experiment = load_config(config)
    space = experiment.create_space()
    known = read_measured(experiment, space, measurements, conditions)
    read = [read_table(path, ("architecture", "status")) for path in tables]
    scores = [table for table in read if "device" not in table]
    parts = iter(table for table in read if "device" in table)
    occasions = {
        name: [
            pd.concat([next(parts) for _ in range(experiment.device(name).shards)], ignore_index=True)
            for _ in range(times)
        ]
        for name, times in experiment.verified.items()
    }
    write_table(with_verified(space, known, scores, occasions).to_frame(space), output)
