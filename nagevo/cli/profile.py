"""``nagevo profile``: latencies of architectures on a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, Output


def run(
    config: Config,
    device: Annotated[str, typer.Option(help="Name of a device of the experiment.")],
    output: Output,
    architectures: Annotated[Path | None, typer.Option(help="Table with a column `architecture`.")] = None,
    extra: Annotated[bool, typer.Option("--extra", help="Also the device's `extra_measurements`.")] = False,
    sample: Annotated[int, typer.Option(help="Also so many random architectures.")] = 0,
) -> None:
    """Measure the latency of architectures on a device."""
    import numpy as np
    import pandas as pd

    from nagevo.config import load_config
    from nagevo.errors import ConfigError
    from nagevo.files import read_table, write_table
    from nagevo.search import extra_architectures
    from nagevo.spaces.base import unique

    experiment = load_config(config)
    settings = experiment.device(device)
    space = experiment.create_space()
    choices = np.empty((0, space.n_choices), dtype=np.int8)
    if architectures is not None:
        choices = space.from_text(read_table(architectures, ("architecture",))["architecture"].tolist())
    wanted = settings.extra_measurements if extra else sample
    if wanted:
        added = extra_architectures(space, wanted, exclude=choices, seed=experiment.seed)
        choices = unique(np.concatenate([choices, added]))
    if not len(choices):
        raise ConfigError("expected architectures to profile: give --architectures or --sample")
    rows = settings.create().measure(space, choices)
    write_table(pd.DataFrame({"architecture": space.to_text(choices), "device": device}).join(rows), output)
