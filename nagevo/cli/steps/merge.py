"""``nagevo step merge``: the measurements of all rounds in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, Rounds, TableOutput


def run(
    config: Config,
    output: TableOutput,
    rounds: Rounds,
    conditions: Annotated[
        Path | None,
        typer.Option(help="JSON file for the states of the machine in which devices were timed."),
    ] = None,
) -> None:
    """Join the measurements of all rounds in one table."""
    from nagevo.experiment.config import load_config
    from nagevo.foundation.files import write_json
    from nagevo.foundation.machine import describe
    from nagevo.foundation.tables import write_table
    from nagevo.measure.rounds import read_rounds

    space = load_config(config).create_space()
    measurements = read_rounds(rounds, space)
    write_table(measurements.to_frame(space), output)
    if conditions is None:
        return
    references = space.to_text(space.extremes())
    entries = {device: condition.described(references) for device, condition in measurements.conditions.items()}
    write_json(entries, conditions)
    for device, entry in entries.items():
        typer.echo(f"{device}: {describe(entry)}", err=True)
