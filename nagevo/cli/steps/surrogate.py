"""``nagevo step surrogate``: a fitted predictor of one measured quantity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, Output


def run(
    config: Config,
    quantity: Annotated[str, typer.Option(help="`accuracy`, or the name of a device for its latency.")],
    output: Output,
    validation: Annotated[Path, typer.Option(help="Where its cross-validated quality is written.")],
    tables: Annotated[list[Path], typer.Argument(help="What `nagevo score` and `nagevo profile` wrote.")],
) -> None:
    """Fit a surrogate, cross-validate it, and for a latency calibrate its bound near the frontier."""
    from nagevo.experiment.config import load_config
    from nagevo.foundation.quantities import column_name
    from nagevo.foundation.tables import write_table
    from nagevo.learn.fitting import fit_accuracy, fit_latency
    from nagevo.learn.storage import save_surrogates
    from nagevo.learn.validation import validation_table
    from nagevo.measure.measurements import read_occasions, read_shards

    experiment = load_config(config)
    space = experiment.create_space()
    measured = read_shards(tables)
    features = space.features(space.from_text(measured.index.tolist()))
    accuracy = measured["accuracy"].to_numpy(float)
    if quantity == "accuracy":
        surrogate = fit_accuracy(features, accuracy, seed=experiment.seed)
        quality = validation_table(surrogate.left_out)
    else:
        settings = experiment.device(quantity)
        occasions = read_occasions(tables, quantity).reindex(measured.index, fill_value=-1).to_numpy()
        surrogate = fit_latency(
            features,
            measured[column_name(settings.measures, quantity)].to_numpy(float),
            accuracy=accuracy,
            occasions=None if settings.exact else occasions,
            seed=experiment.seed,
        )
        quality = validation_table(surrogate.left_out, surrogate.residuals)
    save_surrogates(output, {"accuracy" if quantity == "accuracy" else f"latency_{quantity}": surrogate})
    write_table(quality, validation)
