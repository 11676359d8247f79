"""``nagevo profile``: latencies of architectures on a device."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Architectures, Config, KnownDevice, Shard, Shards, TableOutput, check_shard


def run(
    config: Config,
    device: KnownDevice,
    architectures: Architectures,
    output: TableOutput,
    first: Annotated[
        bool,
        typer.Option(
            "--first",
            help="These are the first measurements: add the device's `extra_measurements`, and stop with an error "
            "if all fail.",
        ),
    ] = False,
    shard: Shard = 0,
    shards: Shards = 1,
) -> None:
    """Measure the latency of architectures on a device."""
    import numpy as np

    from nagevo.experiment.config import load_config
    from nagevo.experiment.measuring import extra_architectures, profile
    from nagevo.foundation.tables import write_table
    from nagevo.measure.tables import read_architectures
    from nagevo.spaces.base import unique

    experiment = load_config(config)
    settings = experiment.device(device)
    space = experiment.create_space()
    check_shard(shard, shards)
    choices = read_architectures(architectures, space)
    if first and settings.extra_measurements:
        added = extra_architectures(space, settings.extra_measurements, seed=experiment.seed)
        choices = unique(np.concatenate([choices, added]))
    choices = choices[shard::shards]
    write_table(profile(space, device, settings.create(), choices, first=first and shards == 1), output)
