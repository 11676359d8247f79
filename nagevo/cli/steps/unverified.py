"""``nagevo step unverified``: the answers that a verification round measures."""

from __future__ import annotations

import typer

from nagevo.cli.options import BundleFolder, Config, Measurements, TableOutput


def run(
    config: Config,
    bundle: BundleFolder,
    measurements: Measurements,
    output: TableOutput,
) -> None:
    """Write the answers that were not measured after the search.

    The table at --output has those whose accuracy is unknown; those to measure on a device lie beside it, in
    DEVICE/OCCASION/proposals.parquet.
    """
    import pandas as pd

    from nagevo import load
    from nagevo.experiment.config import load_config
    from nagevo.experiment.verification import unverified
    from nagevo.foundation.tables import write_table
    from nagevo.measure.measurements import Measurements

    experiment, generator = load_config(config), load(bundle)
    searched = Measurements.from_files([measurements], generator.space).for_devices(list(experiment.devices))
    proposals, unread = unverified(generator, searched, experiment)
    to_text = generator.space.to_text
    for device, times in experiment.verified.items():
        for occasion in range(times):
            place = output.parent / device / str(occasion) / output.name
            place.parent.mkdir(parents=True, exist_ok=True)
            write_table(pd.DataFrame({"architecture": to_text(proposals[device])}, dtype=str), place)
    write_table(pd.DataFrame({"architecture": to_text(unread)}, dtype=str), output)
    counts = ", ".join(f"{len(choices)} on {device}" for device, choices in proposals.items())
    typer.echo(f"answers to verify: {counts}; {len(unread)} accuracies to read", err=True)
