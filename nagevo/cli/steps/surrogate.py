"""``nagevo step surrogate``: a fitted predictor of one measured quantity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import CheapReadings, Config, Output, Rounds


def run(
    config: Config,
    quantity: Annotated[str, typer.Option(help="`accuracy`, or the name of a device for its latency.")],
    output: Output,
    validation: Annotated[Path, typer.Option(help="File for the results of the cross-validation.")],
    rounds: Rounds,
    cheap: CheapReadings = None,
) -> None:
    """Fit and cross-validate a surrogate; for a latency, also calibrate the bound for answers."""
    from dataclasses import replace

    from nagevo.experiment.config import load_config
    from nagevo.experiment.fitting import fit_accuracies, fit_device
    from nagevo.foundation.tables import write_table
    from nagevo.learn.storage import save_surrogates
    from nagevo.learn.validation import validation_table
    from nagevo.measure.measurements import read_cheap
    from nagevo.measure.rounds import read_rounds

    experiment = load_config(config)
    space = experiment.create_space()
    measurements = replace(read_rounds(rounds, space).expected(), cheap=read_cheap(cheap, space))
    surrogate, seed = experiment.search.surrogate, experiment.seed
    if quantity == "accuracy":
        accuracies = fit_accuracies(space, measurements, surrogate=surrogate, prior=experiment.search.prior, seed=seed)
        quality = validation_table(accuracies.left_out)
        save_surrogates(output, {"accuracy": accuracies})
    else:
        exact = experiment.device(quantity).exact
        values = fit_device(space, measurements, quantity, exact=exact, surrogate=surrogate, seed=seed)
        quality = validation_table(values.left_out, values.residuals)
        save_surrogates(output, {f"latency_{quantity}": values})
    write_table(quality, validation)
