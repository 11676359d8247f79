"""``nagevo step networks``: the table of all networks that an experiment delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Output


def run(
    output: Output,
    indices: Annotated[list[Path], typer.Argument(help="The table that `nagevo step deploy` wrote for each device.")],
) -> None:
    """Join the tables of the networks that were delivered for each device."""
    from nagevo.experiment.delivered import joined
    from nagevo.foundation.files import read_json, write_json

    write_json(joined([read_json(path) for path in indices]), output)
