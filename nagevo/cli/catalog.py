"""``nagevo catalog``: which of some finished networks to deploy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nagevo.cli.options import Confidence, finite
from nagevo.cli.printing import answer_line, table_console

if TYPE_CHECKING:
    from rich.table import Table

    from nagevo.experiment.config import Experiment
    from nagevo.generator.generator import Generator

TABLE = "accuracies.csv"
"""Name of the table of accuracies in the folder of networks."""


def run(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of ONNX files; may be left out with a `space` in --config.")
    ] = None,
    accuracies: Annotated[
        Path | None,
        typer.Option(
            help="Table with `architecture` (file names without ending) and `accuracy` in percent, or timm's results"
            f" with `model` and `top1`; by default {TABLE} in the folder."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Name of a backend to use with its defaults, or of a device in --config; by default onnxruntime, "
            "or all devices of --config."
        ),
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="An experiment as a YAML file, or JSON text with some of its sections.")
    ] = None,
    budget: Annotated[
        list[float] | None,
        typer.Option(help="Largest allowed latency of one inference in ms; may be given several times."),
    ] = None,
    confidence: Confidence = 0.9,
    seconds: Annotated[
        float,
        typer.Option(min=1, callback=finite, help="Approximate duration of the measurements on a device, in seconds."),
    ] = 60.0,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the bundle; by default results/catalog-<folder>/generator.")
    ] = None,
) -> None:
    """Measure a list of finished networks and say which one to deploy, without any search or training."""
    from nagevo.experiment.catalog import answer_from_measurements
    from nagevo.foundation.errors import InfeasibleBudget
    from nagevo.foundation.writing import check_folder
    from nagevo.generator.bundle import MANIFEST
    from nagevo.generator.requests import parse

    parse(budget or [])
    experiment = _experiment(folder, accuracies, device, config)
    place = output or Path("results") / experiment.name / "generator"
    check_folder(place, MANIFEST)
    generator = answer_from_measurements(experiment, place, seconds=seconds)
    for name in generator.devices:
        table_console().print(_networks(generator, name, confidence))
    typer.echo(f"{place}: nagevo generate --bundle {place} --budget … answers from now on", err=True)
    results = [
        result
        for name in generator.devices
        for result in generator.answers(budget or [], device=name, confidence=confidence)
    ]
    for result in results:
        if isinstance(result, InfeasibleBudget):
            typer.echo(f"nagevo: {result}", err=True)
        else:
            typer.echo(answer_line(result))
    if any(isinstance(result, InfeasibleBudget) for result in results):
        raise typer.Exit(InfeasibleBudget.exit_code)


def _experiment(folder: Path | None, accuracies: Path | None, device: str | None, config: str | None) -> Experiment:
    """Return the experiment that the arguments describe."""
    import re

    from nagevo.experiment.catalog import accuracy_columns
    from nagevo.experiment.config import load_config, parse_config
    from nagevo.foundation.errors import ConfigError

    given = None if config is None else load_config(config)
    sections: dict[str, Any] = {} if given is None else dict(given.raw)
    if folder is not None:
        if not folder.is_dir():
            raise ConfigError(f"expected a folder of ONNX files, got {folder}")
        name = re.sub("[^A-Za-z0-9_.-]", "-", folder.resolve().name)
        sections |= {"experiment": f"catalog-{name}", "space": {"name": "catalog", "path": str(folder)}}
        beside = folder / TABLE
        accuracies = beside if accuracies is None and "accuracy" not in sections else accuracies
    if accuracies is not None:
        sections["accuracy"] = {"evaluator": "table", "path": str(accuracies), **accuracy_columns(accuracies)}
    if given is None or not given.devices:
        device = device or "onnxruntime"
        sections["devices"] = {device: {"backend": device}}
    elif device is not None:
        sections["devices"] = {given.device(device).name: sections["devices"][device]}
    if "space" not in sections:
        raise ConfigError("expected a folder of ONNX files, or a section space in --config")
    return parse_config(sections)


def _networks(generator: Generator, device: str, confidence: float) -> Table:
    """Return the networks, the fastest first, with the promised latency of each and whether it is an answer."""
    from rich.table import Table

    from nagevo.foundation.quantities import QUANTITIES
    from nagevo.foundation.rounding import rounded_up

    candidates = generator.candidates
    of_device = candidates.devices[device]
    unit = QUANTITIES[of_device.quantity].unit
    bounds = of_device.bounds(confidence)
    answers = {answer.architecture for answer in generator.steps(device=device, confidence=confidence)}
    table = Table("network", title=f"Networks on {device}, at confidence {confidence:g}", title_justify="left")
    for heading in ("accuracy (%)", unit, f"at most ({unit})", "answers budgets"):
        table.add_column(heading, justify="right")
    for row in bounds.argsort(kind="stable"):
        if not of_device.excluded[row]:
            network, least = candidates.texts[row], rounded_up(bounds[row])
            answered = f"from {least} {unit}" if network in answers else "–"
            accuracy = f"{candidates.accuracy[row]:.2f}"
            table.add_row(network, accuracy, f"{of_device.expected[row]:.3g}", least, answered)
    return table
