"""``nagevo surrogate``: a fitted predictor of one measured quantity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, Output


def run(
    config: Config,
    quantity: Annotated[str, typer.Option(help="`accuracy`, or the name of a device for its latency.")],
    output: Output,
    tables: Annotated[list[Path], typer.Argument(help="What `nagevo score` and `nagevo profile` wrote.")],
) -> None:
    """Fit a surrogate, cross-validate it, and for a latency calibrate its bound near the frontier."""
    from nagevo.config import load_config
    from nagevo.files import replacing_folder
    from nagevo.measurements import read_shards
    from nagevo.surrogates import fit_accuracy, fit_latency

    experiment = load_config(config)
    space = experiment.create_space()
    measured = read_shards(tables)
    features = space.features(space.from_text(measured.index.tolist()))
    accuracy = measured["accuracy"].to_numpy(float)
    if quantity == "accuracy":
        surrogate = fit_accuracy(features, accuracy, seed=experiment.seed)
    else:
        latency_ms = measured[f"latency_ms_{quantity}"].to_numpy(float)
        surrogate = fit_latency(features, latency_ms, accuracy=accuracy, seed=experiment.seed)
    with replacing_folder(output) as folder:
        surrogate.save(folder)
