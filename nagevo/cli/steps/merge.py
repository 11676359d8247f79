"""``nagevo step merge``: the measurements of all rounds in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, TableOutput


def run(
    config: Config,
    output: TableOutput,
    measurements: Annotated[list[Path], typer.Argument(help="Measurements of each round.")],
) -> None:
    """Join the measurements of all rounds."""
    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import write_table
    from nagevo.measure.measurements import Measurements

    space = load_config(config).create_space()
    write_table(Measurements.from_files(measurements, space).to_frame(space), output)
