"""Options that several commands share."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from nagevo.foundation.errors import BudgetError, ConfigError, OutputError
from nagevo.foundation.writing import check_not_listed, check_onnx_name, writable_file


def probability(value: float) -> float:
    """Refuse a confidence that is none before the command does anything else."""
    if not 0 < value < 1:
        raise BudgetError(f"expected --confidence between 0 and 1, got {value:g}")
    return value


def finite(value: float) -> float:
    """Refuse a duration that is no number, or has no end."""
    if not math.isfinite(value):
        raise ConfigError(f"expected a finite number of seconds, got {value:g}")
    return value


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


def check_outputs(run: Callable[..., None], values: Mapping[str, Any]) -> None:
    """Check that no file that a command writes is one that it reads, or that it writes under another option too.

    Parameters
    ----------
    run : callable
        The command. It writes the files of the options that :func:`writable` and its siblings check.
    values : mapping of str to object
        Its arguments; the command also reads the files that its config names.

    Raises
    ------
    OutputError
    """
    checks, outputs = {writable, writable_table, writable_onnx}, dict[str, str]()
    hints = {name: get_args(hint) for name, hint in get_type_hints(run, include_extras=True).items()}
    names = [name for name, parts in hints.items() if any(getattr(part, "callback", None) in checks for part in parts)]
    for name in names:
        if values.get(name) is not None:
            option, target = f"--{name.replace('_', '-')}", os.path.realpath(values[name])
            if target in outputs:
                raise OutputError(f"{option}: expected another file than that of {outputs[target]}, got {values[name]}")
            outputs[target] = option
    if any(map(os.path.exists, outputs)):
        for path in _inputs({name: value for name, value in values.items() if name not in names}):
            option = outputs.get(os.path.realpath(path), "")
            if option:
                raise OutputError(f"{option}: expected another file than {path}, which the command reads")


def _inputs(values: Mapping[str, Any]) -> Iterator[str | Path]:
    """Yield the files and folders that arguments of a command name, and those that the config among them names."""
    for value in values.values():
        yield from [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, Path)]
    if values.get("config") is not None:
        from nagevo.experiment.config import load_config
        from nagevo.experiment.sections import Sections
        from nagevo.foundation.options import signature

        yield Path(values["config"]).expanduser()
        yield from signature(Sections).paths(load_config(values["config"]).raw)


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
Confidence = Annotated[
    float, typer.Option(callback=probability, help="Probability with which the network has to keep the budget.")
]
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
