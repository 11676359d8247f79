"""``nagevo step validate-supernet``: whether the supernet ranks architectures as training each alone does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, TableOutput


def run(
    config: Config,
    weights: Annotated[Path, typer.Option(help="File written by `nagevo train`.")],
    output: TableOutput,
    number: Annotated[
        int, typer.Option(min=3, help="Number of architectures, spread over the range of their multiply–accumulates.")
    ] = 24,
    repeats: Annotated[
        int, typer.Option(min=1, help="Number of trainings of each architecture, whose accuracies are averaged.")
    ] = 1,
) -> None:
    """Compare accuracies from the supernet with those of networks trained alone, and print how well they agree."""
    import numpy as np

    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import write_table
    from nagevo.measure.accuracy import create_evaluator
    from nagevo.measure.accuracy.validation import Agreement, spread, validate_supernet

    experiment = load_config(config)
    space = experiment.create_space()
    supernet = experiment.create_evaluator(space)
    supernet.load(weights)
    shared = {key: experiment.accuracy.options[key] for key in ("dataset", "training", "calibration_examples")}
    alone = [create_evaluator("training", space, seed=experiment.seed + k, **shared) for k in range(repeats)]
    choices = spread(space, number, rng=np.random.default_rng(experiment.seed))
    table = validate_supernet(supernet, alone, choices)
    write_table(table, output)
    print(Agreement.of(table))
