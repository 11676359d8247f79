"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.writing import check_not_listed, check_onnx_name, writable_file


def writable(path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before the command does anything else."""
    if path is not None:
        writable_file(path.expanduser())
        check_not_listed(path.expanduser())
    return path


def writable_table(path: Path | None) -> Path | None:
    """Refuse a table that cannot be written, or whose ending is not that of a table."""
    from nagevo.foundation.tables import check_table_name

    writable(path)
    if path is not None:
        check_table_name(path)
    return path


def writable_onnx(path: Path | None) -> Path | None:
    """Refuse an ONNX file that cannot be written, or whose ending is not that of one."""
    writable(path)
    if path is not None:
        check_onnx_name(path)
    return path


def warn_untrained(description: Mapping[str, Any]) -> None:
    """Say on stderr that a network is untrained, if it is."""
    if not description.get("trained", True):
        typer.echo(f"the network {description['architecture']} is untrained: its weights are random", err=True)


Config = Annotated[str, typer.Option("--config", help="The experiment: a YAML file, or JSON text with sections of it.")]
Output = Annotated[Path, typer.Option("--output", callback=writable, help="File for the result.")]
OutputFolder = Annotated[
    Path, typer.Option("--output", help="Folder for the result: a new one, an empty one, or that of an earlier result.")
]
TableOutput = Annotated[
    Path, typer.Option("--output", callback=writable_table, help="Table for the result: .parquet, .csv, .tsv or .txt.")
]
Architectures = Annotated[Path, typer.Option(help="Table with a column `architecture`.")]
Devices = Annotated[str, typer.Option(help="Names of the devices, separated by commas.")]
Measurements = Annotated[Path, typer.Option(help="The measurements table.")]
Conditions = Annotated[Path, typer.Option(help="What `nagevo step merge` wrote on the condition of each device.")]
CheapReadings = Annotated[Path | None, typer.Option("--cheap", help="Table of the cheap readings, if there are any.")]
Surrogates = Annotated[Path, typer.Option(help="Folder of the fitted surrogates.")]
Weights = Annotated[Path | None, typer.Option(help="What `nagevo train` wrote, where the evaluator needs it.")]
Budget = Annotated[float, typer.Option(help="The most that one inference may take, in ms.")]
Device = Annotated[str | None, typer.Option(help="Device; may be left out where there is one only.")]
Confidence = Annotated[float, typer.Option(help="Asked probability that the budget holds.")]
Untrained = Annotated[
    bool,
    typer.Option("--untrained", help="Take random weights where the experiment has none of the network."),
]
Trained = Annotated[
    Path | None, typer.Option(help="Folder in which the evaluator `training` keeps weights, and finds them.")
]
Shard = Annotated[int, typer.Option(min=0, help="Part of the architectures, from 0 to the number of parts less 1.")]
Shards = Annotated[int, typer.Option(min=1, help="Number of parts that they are split into.")]
Bundle = Annotated[Path | None, typer.Option(help="Folder of the generator; the latest below results/ by default.")]


def check_shard(shard: int, shards: int) -> None:
    """Check that there is such a part of the architectures.

    Raises
    ------
    ConfigError
        If there is not: its table would be empty.
    """
    if shard >= shards:
        raise ConfigError(f"expected --shard from 0 to {shards - 1}, got {shard}")
