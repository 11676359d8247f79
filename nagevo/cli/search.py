"""``nagevo search``: a whole search in one process, without Snakemake."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Config, Output, Weights


def run(
    config: Config,
    output: Output,
    strategy: Annotated[str | None, typer.Option(help="Name of the strategy; the config's by default.")] = None,
    evaluations: Annotated[int | None, typer.Option(help="Evaluations; the config's by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the config's by default.")] = None,
    weights: Weights = None,
) -> None:
    """Search in one process and write what was measured, in the order in which it was read."""
    from nagevo.config import load_config
    from nagevo.files import write_table
    from nagevo.search import run_search

    experiment = load_config(config).with_search(strategy=strategy, evaluations=evaluations, seed=seed)
    space = experiment.create_space()
    evaluator = experiment.create_evaluator(space)
    if weights is not None:
        evaluator.load(weights)
    measurements = run_search(
        space,
        evaluator,
        {name: device.create() for name, device in experiment.devices.items()},
        experiment.create_strategy(space, tuple(experiment.devices)),
        evaluations=experiment.search.evaluations,
        rounds=experiment.search.rounds,
        extra_measurements={name: device.extra_measurements for name, device in experiment.devices.items()},
        seed=experiment.seed,
    )
    write_table(measurements.to_frame(space), output)
