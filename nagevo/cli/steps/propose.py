"""``nagevo step propose``: the architectures that a round measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import CheapReadings, Config, Devices, TableOutput


def run(
    config: Config,
    devices: Devices,
    output: TableOutput,
    rounds: Annotated[
        list[Path] | None,
        typer.Argument(help="Tables of the proposals, accuracies and latencies of every earlier round."),
    ] = None,
    round_number: Annotated[int, typer.Option("--round", min=0, help="Number of the round, from 0.")] = 0,
    cheap: CheapReadings = None,
    cheaply: Annotated[
        bool, typer.Option("--cheaply", help="Ask for the architectures of the cheap readings instead of a round.")
    ] = False,
) -> None:
    """Ask the strategy for the architectures of a round, or of the cheap readings."""
    from dataclasses import replace

    import pandas as pd

    from nagevo.experiment.config import load_config
    from nagevo.foundation.errors import ConfigError
    from nagevo.foundation.tables import write_table
    from nagevo.measure.measurements import read_cheap
    from nagevo.measure.rounds import read_rounds

    experiment = load_config(config)
    space = experiment.create_space()
    names = tuple(devices.split(","))
    if not all(names):
        raise ConfigError(f'expected --devices as names separated by commas, got "{devices}"')
    for name in names if experiment.devices else ():  # which the rule does not hand over
        experiment.device(name)
    strategy = experiment.create_strategy(space, names)
    if rounds:
        told = read_rounds(rounds, space).for_devices(names).expected()
        strategy.tell(replace(told, cheap=read_cheap(cheap, space)))
    sizes = experiment.round_sizes()
    if round_number >= len(sizes):
        raise ConfigError(f"expected --round from 0 to {len(sizes) - 1}, got {round_number}")
    choices = strategy.ask_cheaply(experiment.effort[1]) if cheaply else strategy.ask(sizes[round_number])
    write_table(pd.DataFrame({"architecture": space.to_text(choices)}), output)
