"""``nagevo step merge``: the measurements of all rounds in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, TableOutput


def run(
    config: Config,
    output: TableOutput,
    rounds: Annotated[list[Path], typer.Argument(help="Of every round the proposals, accuracies and latencies.")],
) -> None:
    """Join the measurements of all rounds."""
    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import write_table
    from nagevo.measure.measurements import read_rounds

    space = load_config(config).create_space()
    write_table(read_rounds(rounds, space).to_frame(space), output)
