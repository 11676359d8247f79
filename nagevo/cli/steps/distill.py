"""``nagevo step distill``: the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import (
    CheapReadings,
    Conditions,
    Config,
    Measurements,
    OutputFolder,
    Surrogates,
    Trained,
    Weights,
)
from nagevo.cli.steps import read_measured


def run(
    config: Config,
    measurements: Measurements,
    conditions: Conditions,
    surrogates: Surrogates,
    output: OutputFolder,
    frontiers: Annotated[
        list[Path], typer.Argument(help="Tables written by `nagevo step evolve`, one for each device.")
    ],
    weights: Weights = None,
    trained: Trained = None,
    cheap: CheapReadings = None,
) -> None:
    """Distill the frontiers of all devices into one generator and write the bundle."""
    import numpy as np
    import torch

    from nagevo.experiment.config import load_config
    from nagevo.experiment.learning import distill
    from nagevo.foundation.writing import check_folder
    from nagevo.generator.bundle import MANIFEST
    from nagevo.learn.predictor import Predictor
    from nagevo.learn.storage import surrogate_files
    from nagevo.measure.tables import read_architectures

    check_folder(output, MANIFEST)
    experiment = load_config(config)
    space = experiment.create_space()
    measured = read_measured(experiment, space, measurements, conditions, cheap).expected()
    files = surrogate_files(surrogates, experiment.devices)
    predictor = Predictor.from_files(space, measured, files, list(experiment.devices), experiment.exact)
    members = np.concatenate([read_architectures(path, space) for path in frontiers])
    torch.set_num_threads(1)  # the matrices are too small for more
    distill(experiment, predictor, members, output, weights=weights, trained=trained)
