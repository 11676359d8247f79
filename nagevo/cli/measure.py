"""``nagevo measure``: networks that were delivered, or what failed in an experiment, measured again."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nagevo.cli.printing import table_console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from nagevo.experiment.config import Experiment
    from nagevo.spaces.base import SearchSpace


def run(
    networks: Annotated[
        Path | None,
        typer.Option(
            help="Folder of delivered networks to time again: results/<experiment>/networks, or one device's folder "
            "in it."
        ),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Repeat the failed measurements in the tables below results/<experiment>/.")
    ] = False,
    config: Annotated[
        str | None,
        typer.Option(
            help="The experiment: a YAML file, or JSON text with sections of it. With --networks it is needed only "
            "for devices that run a program."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Name of the only device to measure; by default all devices and, with --failed, accuracies too."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="With --networks: print one JSON object per device.")] = False,
) -> None:
    """Time delivered networks again, to check whether they keep their budgets; or repeat failed measurements."""
    from nagevo.foundation.errors import ConfigError

    if (networks is None) == (not failed):
        raise ConfigError("expected either --networks or --failed")
    if networks is not None:
        _delivered(networks, device, config, json)
    elif config is None:
        raise ConfigError("--failed: expected --config as well")
    else:
        _failed(config, device)


def _delivered(networks: Path, device: str | None, config: str | None, json: bool) -> None:
    from nagevo.experiment.config import load_config
    from nagevo.experiment.delivered import delivered_on, measured_again
    from nagevo.foundation.machine import describe, processor

    console = table_console()
    for name, folder in delivered_on(networks, device).items():
        opened = None if config is None else load_config(config).device(name).create()
        again = measured_again(folder, opened)
        if json:
            typer.echo(dumps(again))
            continue
        console.print(_table(again))
        promised, now = again["promised"], again["now"]
        if promised is not None:
            console.print(f"promised: {describe(promised)}", soft_wrap=True)
        if now is not None:
            console.print(f"now: {describe(now)}", soft_wrap=True)
        here, there = (None if entry is None else processor(entry) for entry in (now, promised))
        if here and there and here != there:
            console.print(
                f"This is another machine: measured are the ratios to the references times their speed on {there}.",
                soft_wrap=True,
            )


def _table(again: dict[str, Any]) -> Table:
    from rich.table import Table

    from nagevo.foundation.quantities import QUANTITIES
    from nagevo.foundation.rounding import rounded_up

    unit = QUANTITIES[again["quantity"]].unit
    kept = sum(network["kept"] for network in again["networks"])
    title = (
        f"{again['device']}: {kept} of {len(again['networks'])} networks within their budgets, "
        f"promised at confidence {again['confidence']:g}"
    )
    table = Table("network", title=title, title_justify="left")
    for heading in ("asked", "promised", "measured", "as it was"):
        table.add_column(f"{heading} ({unit})", justify="right")
    table.add_column("holds")
    for network in again["networks"]:
        measured, raw = ("failed" if network[key] is None else f"{network[key]:.4g}" for key in ("measured", "raw"))
        promises = (rounded_up(network[key]) for key in ("asked", "promised"))
        table.add_row(network["folder"], *promises, measured, raw, "yes" if network["kept"] else "no")
    return table


def _failed(config: str, device: str | None) -> None:
    from functools import partial

    from nagevo.experiment.config import load_config
    from nagevo.foundation.errors import DataError
    from nagevo.measure.status import measure_failed_again

    experiment = load_config(config)
    space, folder = experiment.create_space(), Path("results") / experiment.name
    if not folder.is_dir():
        raise DataError(f"--failed: there is no folder {folder}: the experiment was not run here")
    lines: list[str] = []
    for name in [device] if device else experiment.devices:
        settings = experiment.device(name)
        measure = partial(settings.create().measure, space)
        paths = sorted(folder.glob(f"**/latency/{name}/*.parquet"))
        lines += _echoed(measure_failed_again(paths, settings.measures, space, measure))
    if device is None:
        lines += _echoed(_failed_accuracies(experiment, space, folder))
    if not lines:
        typer.echo(f"no failed measurements in {folder}", err=True)


def _failed_accuracies(experiment: Experiment, space: SearchSpace, folder: Path) -> Iterator[str]:
    """Read failed accuracies again as the rule ``score`` does: cheap ones cheaply, and weights are kept."""
    from functools import partial

    from nagevo.experiment.workflow import CHEAP
    from nagevo.measure.status import ACCURACY, measure_failed_again

    weights = folder / "supernet.safetensors"
    for cheap in (False, True) if experiment.fidelity else (False,):
        evaluator = experiment.create_evaluator(space, cheap=cheap)
        if evaluator.needs_training and weights.is_file():
            evaluator.load(weights)
        if evaluator.keeps_weights:
            evaluator.keep(folder / "trained")
        for split in ("validation", "test"):
            found = sorted(folder.glob(f"**/{split}/*.parquet"))
            paths = [path for path in found if (folder / CHEAP in path.parents) == cheap]
            yield from measure_failed_again(paths, ACCURACY, space, partial(evaluator.evaluate, split=split))


def _echoed(lines: Iterable[str]) -> Iterator[str]:
    """Print each line to the standard error when it comes, and yield it."""
    for line in lines:
        typer.echo(line, err=True)
        yield line
