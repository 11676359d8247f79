"""``nagevo measure``: measurements of an experiment, made again."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Config


def run(
    config: Config,
    failed: Annotated[
        bool, typer.Option("--failed", help="Measure again what failed, in the tables below results/<experiment>/.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="On this device only; by default on all, and accuracies.")] = None,
) -> None:
    """Measure again what failed, for instance when the device is repaired; then let the workflow go on."""
    from functools import partial
    from pathlib import Path

    from nagevo.experiment.config import load_config
    from nagevo.foundation.errors import ConfigError
    from nagevo.measure.status import ACCURACY, measure_failed_again

    if not failed:
        raise ConfigError("expected --failed: there is nothing else to measure")
    experiment = load_config(config)
    space, folder = experiment.create_space(), Path("results") / experiment.name
    for name in [device] if device else experiment.devices:
        settings = experiment.device(name)
        measure = partial(settings.create().measure, space)
        for line in measure_failed_again(
            sorted(folder.glob(f"**/latency/{name}/*.parquet")), settings.measures, space, measure
        ):
            typer.echo(line, err=True)
    if device is None:
        evaluator, weights = experiment.create_evaluator(space), folder / "supernet.safetensors"
        if evaluator.needs_training and weights.is_file():
            evaluator.load(weights)
        for split in ("validation", "test"):
            paths = sorted(folder.glob(f"**/{split}/*.parquet"))
            for line in measure_failed_again(paths, ACCURACY, space, partial(evaluator.evaluate, split=split)):
                typer.echo(line, err=True)
