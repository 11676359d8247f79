"""``nagevo step answer``: what is measured again to evaluate the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import BundleFolder, Config, Measurements, TableOutput, writable_table


def run(
    config: Config,
    bundle: BundleFolder,
    measurements: Measurements,
    output: TableOutput,
    architectures: Annotated[
        Path, typer.Option(callback=writable_table, help="Table of the distinct architectures of all answers.")
    ],
) -> None:
    """Answer evenly spaced budgets by the generator and by the best measured network."""
    from nagevo import load
    from nagevo.evaluate import answers as evaluation
    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import write_table
    from nagevo.measure.measurements import Measurements

    generator = load(bundle)
    searched = Measurements.from_files([measurements], generator.space).for_devices(generator.predictor.known)
    answers = evaluation.answers(generator, searched, load_config(config).evaluation)
    write_table(answers, output)
    write_table(answers[["architecture"]].dropna().drop_duplicates(ignore_index=True), architectures)
