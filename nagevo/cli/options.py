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
    from nagevo.foundation.tables import table_ending

    writable(path)
    if path is not None:
        table_ending(path)
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
KnownDevice = Annotated[str, typer.Option("--device", help="Name of a device of the experiment.")]
Devices = Annotated[str, typer.Option(help="Names of the devices, separated by commas.")]
Rounds = Annotated[list[Path], typer.Argument(help="Tables of the proposals, accuracies and latencies of every round.")]
Measurements = Annotated[Path, typer.Option(help="The measurements table.")]
Conditions = Annotated[
    Path, typer.Option(help="File with the condition of each device, as `nagevo step merge` writes it.")
]
CheapReadings = Annotated[Path | None, typer.Option("--cheap", help="Table of the cheap readings, if there are any.")]
Surrogates = Annotated[Path, typer.Option(help="Folder of the fitted surrogates.")]
Weights = Annotated[Path | None, typer.Option(help="File written by `nagevo train`, if the evaluator needs weights.")]
Budget = Annotated[float, typer.Option(help="Largest allowed latency of one inference in ms.")]
Device = Annotated[str | None, typer.Option(help="Name of the device; may be left out if there is only one.")]
Confidence = Annotated[float, typer.Option(help="Probability with which the network has to keep the budget.")]
Untrained = Annotated[
    bool,
    typer.Option("--untrained", help="Use random weights if the experiment has no trained weights of the network."),
]
Trained = Annotated[
    Path | None, typer.Option(help="Folder in which the evaluator `training` stores and looks for trained weights.")
]
Shard = Annotated[int, typer.Option(min=0, help="Number of the part of the architectures to process, from 0.")]
Shards = Annotated[int, typer.Option(min=1, help="Number of parts that the architectures are split into.")]
BundleFolder = Annotated[Path, typer.Option("--bundle", help="Folder of the generator.")]
Bundle = Annotated[Path | None, typer.Option(help="Folder of the generator; by default the latest below results/.")]


def check_shard(shard: int, shards: int) -> None:
    """Check that there is such a part of the architectures.

    Raises
    ------
    ConfigError
        If there is not: its table would be empty.
    """
    if shard >= shards:
        raise ConfigError(f"expected --shard from 0 to {shards - 1}, got {shard}")
