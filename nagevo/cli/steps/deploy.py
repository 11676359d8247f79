"""``nagevo step deploy``: the networks that an experiment ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import BundleFolder, Config, KnownDevice, OutputFolder


def run(
    config: Config,
    bundle: BundleFolder,
    device: KnownDevice,
    output: OutputFolder,
    tuned: Annotated[Path, typer.Option(help="Folder in which trained networks are stored and looked for.")],
) -> None:
    """Fine-tune and export the answers to some budgets of a device, and time them again."""
    from nagevo import load
    from nagevo.deploy.config import LISTING
    from nagevo.experiment.config import load_config
    from nagevo.experiment.delivery import deliver, summary
    from nagevo.foundation.writing import check_folder

    check_folder(output, LISTING)
    experiment, generator = load_config(config), load(bundle)
    confidence = generator.supported(experiment.evaluation.confidence, device)
    index = deliver(generator, experiment.device(device), experiment.deploy, output, confidence=confidence, tuned=tuned)
    typer.echo(summary(index), err=True)
