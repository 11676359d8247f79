"""``nagevo step relearn``: a generator that learned from its own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import CheapReadings, Conditions, Config, Measurements, OutputFolder, Trained, Weights
from nagevo.cli.steps import read_measured


def run(
    config: Config,
    measurements: Measurements,
    conditions: Conditions,
    before: Annotated[Path, typer.Option(help="Table of all measurements before the round.")],
    bundle: Annotated[Path, typer.Option(help="Folder of the generator before the round.")],
    output: OutputFolder,
    weights: Weights = None,
    trained: Trained = None,
    cheap: CheapReadings = None,
) -> None:
    """Learn again from all measurements after a verification round; without new ones the generator is copied."""
    import torch

    from nagevo import load
    from nagevo.experiment.config import load_config
    from nagevo.experiment.learning import relearn
    from nagevo.foundation.writing import check_folder
    from nagevo.generator.bundle import MANIFEST, WEIGHTS

    check_folder(output, MANIFEST)
    experiment, former = load_config(config), load(bundle)
    if measurements.read_bytes() == before.read_bytes():
        former.save(output, weights=bundle / WEIGHTS if (bundle / WEIGHTS).exists() else None)
        return
    known = read_measured(experiment, former.space, measurements, conditions, cheap)
    torch.set_num_threads(1)  # the matrices are too small for more
    relearn(experiment, known, former, output, weights=weights, trained=trained)
