"""``nagevo score``: accuracies of architectures."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from nagevo.cli.options import Architectures, Config, Shard, Shards, TableOutput, Trained, Weights, check_shard


class Split(StrEnum):
    """Splits that accuracies are read on."""

    VALIDATION = "validation"
    TEST = "test"


def run(
    config: Config,
    architectures: Architectures,
    output: TableOutput,
    weights: Weights = None,
    trained: Trained = None,
    split: Annotated[
        Split, typer.Option(help="Split of the dataset on which accuracies are evaluated.")
    ] = Split.VALIDATION,
    cheap: Annotated[
        bool, typer.Option("--cheap", help="Take the cheap readings that `accuracy.fidelities` describes.")
    ] = False,
    first: Annotated[
        bool, typer.Option("--first", help="These are the first evaluations: stop with an error if all fail.")
    ] = False,
    shard: Shard = 0,
    shards: Shards = 1,
) -> None:
    """Evaluate the accuracy of each architecture."""
    from nagevo.experiment.config import load_config
    from nagevo.experiment.measuring import score
    from nagevo.foundation.tables import write_table
    from nagevo.measure.tables import read_architectures

    experiment = load_config(config)
    space = experiment.create_space()
    evaluator = experiment.open_evaluator(space, weights, trained=trained, cheap=cheap)
    check_shard(shard, shards)
    choices = read_architectures(architectures, space)[shard::shards]
    write_table(score(space, evaluator, choices, split=split.value, first=first and shards == 1), output)
