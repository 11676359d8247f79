"""``nagevo sample``: random architectures."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Config, TableOutput


def run(
    config: Config,
    output: TableOutput,
    number: Annotated[
        int | None, typer.Option(min=1, help="Number of architectures; by default the `evaluations` of the search.")
    ] = None,
) -> None:
    """Draw distinct random architectures of the space."""
    import numpy as np
    import pandas as pd

    from nagevo.experiment.config import load_config
    from nagevo.foundation.errors import ConfigError
    from nagevo.foundation.tables import write_table

    experiment = load_config(config)
    space = experiment.create_space()
    n = experiment.search.evaluations if number is None else number
    if n > space.size:
        raise ConfigError(f"expected at most {space.size} architectures, the size of {space}, got {n}")
    choices = space.sample_distinct(n, rng=np.random.default_rng(experiment.seed))
    write_table(pd.DataFrame({"architecture": space.to_text(choices)}), output)
