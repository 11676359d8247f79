"""``nagevo score``: accuracies of architectures."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Architectures, Config, Shard, Shards, TableOutput, Weights


def run(
    config: Config,
    architectures: Architectures,
    output: TableOutput,
    weights: Weights = None,
    split: Annotated[str, typer.Option(help="Images that count: `validation` or `test`.")] = "validation",
    first: Annotated[bool, typer.Option("--first", help="The first round: not all may fail.")] = False,
    shard: Shard = 0,
    shards: Shards = 1,
) -> None:
    """Read the accuracy of each architecture."""
    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import read_table, write_table
    from nagevo.measure.status import ACCURACY, failure_summary, outcomes, reasons, refuse_all_failed
    from nagevo.measure.tables import parse_architectures

    experiment = load_config(config)
    space = experiment.create_space()
    evaluator = experiment.create_evaluator(space)
    if weights is not None:
        evaluator.load(weights)
    table = read_table(architectures, ("architecture",))[["architecture"]].iloc[shard::shards]
    scores = evaluator.evaluate(parse_architectures(table, space, f"table {architectures}"), split=split)
    if first and shards == 1:
        refuse_all_failed(outcomes(scores, ACCURACY), ACCURACY)
    if summary := failure_summary(reasons(scores, ACCURACY), ACCURACY):
        typer.echo(summary, err=True)
    write_table(table.reset_index(drop=True).join(scores), output)
