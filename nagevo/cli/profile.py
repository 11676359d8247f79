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
    extra: Annotated[bool, typer.Option("--extra", help="Also the device's `extra_measurements`.")] = False,
    shard: Shard = 0,
    shards: Shards = 1,
) -> None:
    """Measure the latency of architectures on a device."""
    import numpy as np
    import pandas as pd

    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import write_table
    from nagevo.measure.tables import read_architectures
    from nagevo.spaces.base import unique

    experiment = load_config(config)
    settings = experiment.device(device)
    space = experiment.create_space()
    choices = read_architectures(architectures, space)
    if extra and settings.extra_measurements:
        from nagevo.experiment.search import extra_architectures

        added = extra_architectures(space, settings.extra_measurements, seed=experiment.seed)
        choices = unique(np.concatenate([choices, added]))
    choices = choices[shard::shards]
    rows = settings.create().measure(space, choices)
    write_table(pd.DataFrame({"architecture": space.to_text(choices), "device": device}).join(rows), output)
