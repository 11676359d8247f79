"""``nagevo lut``: a block lookup table of a device."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Config, KnownDevice, Output


def run(
    config: Config,
    device: KnownDevice,
    output: Output,
    calibration: Annotated[
        int, typer.Option(min=2, help="Number of whole networks to which the sums are fitted.")
    ] = 10,
    checks: Annotated[int, typer.Option(min=1, help="Number of whole networks with which the sums are compared.")] = 10,
) -> None:
    """Time every block of the space on a device, and print how well sums of blocks predict whole networks."""
    from nagevo.experiment.config import load_config
    from nagevo.measure.latency.lut import measure_blocks

    experiment = load_config(config)
    opened, space = experiment.device(device).create(), experiment.create_space()
    latencies = measure_blocks(opened, space, calibration=calibration, checks=checks, seed=experiment.seed)
    latencies.write(output)
    print(
        f"{len(latencies.blocks)} blocks on {device}; {checks} whole networks are predicted within "
        f"{latencies.error_percent():.1f} % (median; plain sums of blocks: "
        f"{latencies.error_percent('uncorrected_ms'):.1f} %)"
    )
