"""``nagevo search``: a whole search in one process, without Snakemake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, TableOutput, Trained, Weights, writable_table


def run(
    config: Config,
    output: TableOutput,
    strategy: Annotated[str | None, typer.Option(help="Name of the strategy; the config's by default.")] = None,
    evaluations: Annotated[
        int | None, typer.Option(min=1, help="Number of evaluations; the config's by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; the config's by default.")] = None,
    weights: Weights = None,
    trained: Trained = None,
    cheap: Annotated[
        Path | None, typer.Option(callback=writable_table, help="Table for the cheap readings, where there are any.")
    ] = None,
) -> None:
    """Run a search in one process, without Snakemake, and write its measurements in their order.

    Started again after an interruption, it goes on where it was.
    """
    from nagevo.experiment.config import load_config
    from nagevo.experiment.search import search_experiment, unfinished
    from nagevo.foundation.tables import write_table

    experiment = load_config(config).with_search(strategy=strategy, evaluations=evaluations, seed=seed)
    space = experiment.create_space()
    with unfinished(output, experiment, weights=weights) as kept:
        if kept.is_dir():
            typer.echo("the search goes on where it was interrupted", err=True)
        measurements = search_experiment(experiment, weights=weights, trained=trained, kept=kept)
        write_table(measurements.to_frame(space), output)
        if cheap is not None and measurements.cheap is not None:
            write_table(measurements.cheap.to_frame(space), cheap)
