"""``nagevo adapt``: one more device for a generator, by a few measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Bundle, writable_table


def run(
    device: Annotated[str, typer.Option(help="Name of the new device, or of one that was added and is to improve.")],
    config: Annotated[
        str | None, typer.Option(help="Measure: a YAML file, or JSON text, with the device among its `devices`.")
    ] = None,
    measurements: Annotated[
        Path | None,
        typer.Option(help="Do not measure: a table with `architecture` and `latency_ms`, `energy_mj` or `file_kb`."),
    ] = None,
    probes: Annotated[
        int | None, typer.Option(help="How many architectures are measured; by default the generator's own probes.")
    ] = None,
    architectures: Annotated[
        Path | None,
        typer.Option(callback=writable_table, help="Only write the architectures that are to be measured, as a table."),
    ] = None,
    bundle: Bundle = None,
) -> None:
    """Add a device to a generator without training: measure a few probes there, or read them, and adapt its latency."""
    import pandas as pd

    from nagevo import load
    from nagevo.foundation.errors import DataError
    from nagevo.foundation.quantities import QUANTITIES
    from nagevo.foundation.tables import write_table

    if sum(option is not None for option in (config, measurements, architectures)) != 1:
        raise DataError("expected one of --config, --measurements and --architectures")
    generator = load(bundle)
    if architectures is not None:
        write_table(pd.DataFrame({"architecture": generator.probes_for(device, probes)}), architectures)
        return
    if config is not None:
        known, measures, exact = _measured(generator, device, config, probes)
    else:
        (known, measures), exact = _read(measurements), False
    generator.adapt(device, known, measures=measures, exact=exact)
    steps = generator.steps(device=device, confidence=min(0.9, generator.predictor.highest_confidence(device)))
    first, last = steps[0], steps[-1]
    typer.echo(
        f"{generator.folder}: {device} adapted to {len(known)} measurements, answers from {first.latency_bound_ms:.4g} "
        f"to {last.latency_bound_ms:.4g} {QUANTITIES[measures].unit} at confidence {first.confidence:.3g}",
        err=True,
    )


def _read(path: Path) -> tuple[dict[str, float], str]:
    """Return by architecture what a table says was measured, and what that is."""
    from nagevo.foundation.quantities import measured_quantity
    from nagevo.foundation.tables import number_column, read_table, text_column

    table = read_table(path, ("architecture",))
    quantity = measured_quantity(table, f"table {path}")
    texts = text_column(table, "architecture", f"table {path}")
    values = number_column(table, quantity, f"table {path}")
    return {text: value for text, value in zip(texts, values.tolist(), strict=True) if value == value}, quantity


def _measured(generator, device: str, config: str, n: int | None) -> tuple[dict[str, float], str, bool]:
    """Return what the probes measure on a device, what that is, and whether it is exact."""
    from nagevo.experiment.config import load_config

    settings = load_config(config).device(device)
    texts = generator.probes_for(device, n)
    rows = settings.create().measure(generator.space, generator.space.from_text(texts))
    known = {text: value for text, value in zip(texts, rows[settings.measures], strict=True) if value == value}
    return known, settings.measures, settings.exact
