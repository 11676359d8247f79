"""``nagevo step evolve``: the frontier targets of a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Config, KnownDevice, Rounds, Surrogates, TableOutput, writable_table


def run(
    config: Config,
    device: KnownDevice,
    surrogates: Surrogates,
    output: TableOutput,
    log: Annotated[Path, typer.Option(callback=writable_table, help="Table of the hypervolume of each generation.")],
    rounds: Rounds,
) -> None:
    """Evolve the frontier of a device on the surrogates, from what was measured."""
    import pandas as pd

    from nagevo.experiment.config import load_config
    from nagevo.foundation.tables import write_table
    from nagevo.learn.predictor import Predictor
    from nagevo.learn.storage import surrogate_files
    from nagevo.measure.rounds import read_rounds
    from nagevo.search.nsga2 import evolve_frontier

    experiment = load_config(config)
    space = experiment.create_space()
    measurements = read_rounds(rounds, space).for_devices([device]).expected()
    settings = experiment.device(device)
    exact = [device] if settings.exact else []
    predictor = Predictor.from_files(space, measurements, surrogate_files(surrogates, [device]), [device], exact)
    evolved = evolve_frontier(predictor, device, **vars(experiment.evolve), seed=experiment.seed)
    frontier = pd.DataFrame(
        {
            "architecture": space.to_text(evolved.choices),
            "accuracy": predictor.accuracy(evolved.choices),
            settings.measures: predictor.latency_ms(device, evolved.choices),
            "measured": predictor.is_measured(device, evolved.choices),
        }
    )
    write_table(frontier, output)
    write_table(evolved.log, log)
