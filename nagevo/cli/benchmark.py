"""``nagevo benchmark``: how good a generator's answers are where the truth is known."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Bundle, Confidence, Config, TableOutput


def run(
    config: Config,
    output: TableOutput,
    bundle: Bundle = None,
    probes: Annotated[str, typer.Option(help="Numbers of measurements on a new device, separated by commas.")] = (
        "0,10,20,50"
    ),
    pairs: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of feasible pairs of limits, on latency and cost, that are asked on a known device; none "
            "where the space cannot be listed.",
        ),
    ] = 400,
    cost: Annotated[str, typer.Option(help="Cost that is limited together with the latency.")] = "parameters",
    confidence: Confidence = 0.9,
) -> None:
    """Compare answers with the true optimum on each device of an experiment whose accuracies and latencies are tables.

    On a device that the generator knows it is asked for budgets, beside the best measured network and PNAG's generator,
    and for pairs of limits; one that it does not know is adapted to, with each number of probes, and compared with
    rivals. The bundle stays as it is.
    """
    import pandas as pd

    from nagevo import load
    from nagevo.evaluate.benchmark import Truth, known_device, new_device, two_limits
    from nagevo.experiment.config import load_config
    from nagevo.foundation.errors import ConfigError, unknown
    from nagevo.foundation.progress import track
    from nagevo.foundation.tables import write_table

    experiment, generator = load_config(config), load(bundle)
    try:
        numbers = sorted(int(number) for number in probes.split(","))
        if numbers[0] < 0:
            raise ValueError
    except ValueError:
        raise ConfigError(f"expected --probes as whole numbers separated by commas, got {probes}") from None
    if numbers[-1] > generator.space.size:
        raise ConfigError(f"expected --probes up to {generator.space.size}, the size of the space, got {numbers[-1]}")
    if not experiment.devices:
        raise ConfigError("the section devices is missing from the given configuration")
    if cost not in (costs := generator.space.needs(generator.space.extremes())):
        raise ConfigError(unknown("cost", cost, costs))
    tables = []
    for device in track(list(experiment.devices), "measuring answers"):
        truth = Truth.of(experiment, generator.space, device)
        if device in generator.devices:
            tables.append(known_device(generator, truth, device, [confidence]).assign(device=device))
            if pairs and not truth.listed:
                typer.echo(f"{device}: no pairs of limits are asked, since not all true optima are known", err=True)
            elif pairs:
                limited = two_limits(generator, truth, device, cost, pairs, confidence)
                tables.append(pd.DataFrame([limited]).assign(method=f"generator, {cost} limited too", device=device))
        else:
            tables.append(new_device(generator, truth, device, numbers, confidence).assign(device=device))
    write_table(pd.concat(tables, ignore_index=True), output)
