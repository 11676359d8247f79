"""``nagevo profile``: latencies of architectures on a device."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Architectures, Config, Shard, Shards, TableOutput


def run(
    config: Config,
    device: Annotated[str, typer.Option(help="Name of a device of the experiment.")],
    architectures: Architectures,
    output: TableOutput,
    first: Annotated[
        bool, typer.Option("--first", help="The first round: also the device's `extra_measurements`; not all may fail.")
    ] = False,
    shard: Shard = 0,
    shards: Shards = 1,
) -> None:
    """Measure the latency of architectures on a device."""
    import numpy as np
    import pandas as pd

    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import write_table
    from nagevo.measure.status import failure_summary, outcomes, reasons, refuse_all_failed
    from nagevo.measure.tables import read_architectures
    from nagevo.spaces.base import unique

    experiment = load_config(config)
    settings = experiment.device(device)
    space = experiment.create_space()
    choices = read_architectures(architectures, space)
    if first and settings.extra_measurements:
        from nagevo.experiment.search import extra_architectures

        added = extra_architectures(space, settings.extra_measurements, seed=experiment.seed)
        choices = unique(np.concatenate([choices, added]))
    choices = choices[shard::shards]
    rows = settings.create().measure(space, choices)
    if first and shards == 1:
        refuse_all_failed(outcomes(rows, settings.measures), device)
    if summary := failure_summary(reasons(rows, settings.measures), device):
        typer.echo(summary, err=True)
    write_table(pd.DataFrame({"architecture": space.to_text(choices), "device": device}).join(rows), output)
