"""``nagevo step splits``: which examples are trained on."""

from __future__ import annotations

from nagevo.cli.options import Config, TableOutput


def run(config: Config, output: TableOutput) -> None:
    """Write which example of the dataset (an image, by its file or row) is in which split, and its class."""
    import pandas as pd

    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import write_table

    experiment = load_config(config)
    splits = experiment.create_evaluator(experiment.create_space()).splits()
    write_table(pd.DataFrame(columns=["split", "class"]) if splits is None else splits, output)
