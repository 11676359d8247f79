"""``nagevo adapt``: one more device for a generator, by a few measurements."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nagevo.cli.options import Bundle, writable_table

if TYPE_CHECKING:
    from nagevo.generator.generator import Generator
    from nagevo.spaces.base import SearchSpace


def run(
    device: Annotated[
        str, typer.Option(help="Name of the new device, or of one added earlier that gets further measurements.")
    ],
    config: Annotated[
        str | None,
        typer.Option(help="YAML file, or JSON text, whose `devices` contain the device, which is then measured."),
    ] = None,
    measurements: Annotated[
        Path | None,
        typer.Option(
            help="Table of existing measurements to read instead, with `architecture` and `latency_ms`, `energy_mj` "
            "or `file_kb`, such as the"
            " index that `nagevo export --architectures` wrote, filled in."
        ),
    ] = None,
    probes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of architectures to measure; by default those that the generator has chosen as probes."
        ),
    ] = None,
    architectures: Annotated[
        Path | None,
        typer.Option(
            callback=writable_table, help="Only write the table of the architectures to measure, and measure nothing."
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Discard earlier measurements on the device.")] = False,
    bundle: Bundle = None,
) -> None:
    """Add a device to a generator, without training, from measurements of a few architectures (probes) on it."""
    import pandas as pd

    from nagevo import load
    from nagevo.foundation.errors import DataError
    from nagevo.foundation.quantities import QUANTITIES
    from nagevo.foundation.rounding import rounded_up
    from nagevo.foundation.tables import write_table

    if sum(option is not None for option in (config, measurements, architectures)) != 1:
        raise DataError("expected one of --config, --measurements and --architectures")
    generator = load(bundle)
    if architectures is not None:
        _check_unfilled(architectures)
        write_table(pd.DataFrame({"architecture": _probes(generator, device, probes, replace)}), architectures)
        return
    if config is not None:
        known, options = _measured(generator, device, config, probes, afresh=replace)
    else:
        assert measurements is not None
        known, options = _read(measurements, generator.space)
    adapted = generator.adapt(device, known, replace=replace, **options)
    steps = adapted.steps(device=device, confidence=adapted.supported(0.9, device))
    first, last = steps[0], steps[-1]
    n = sum(len(values) for values in known.values())
    typer.echo(
        f"{adapted.folder}: {device} adapted to {n} measurements, answers from {rounded_up(first.bound)} "
        f"to {rounded_up(last.bound)} {QUANTITIES[adapted.quantity(device)].unit} at confidence {first.confidence:.3g}",
        err=True,
    )


def _check_unfilled(path: Path) -> None:
    """Refuse to write the architectures to measure over anything but those that were written before, unmeasured."""
    from nagevo.foundation.errors import DataError, OutputError
    from nagevo.foundation.tables import read_table

    if not path.exists():
        return
    with suppress(DataError):
        if [*read_table(path).columns] == ["architecture"]:
            return
    raise OutputError(f"{path} exists and is not a table of architectures to measure: choose another name")


def _probes(generator: Generator, device: str, n: int | None, afresh: bool) -> list[str]:
    """Return the architectures to measure on a device; refuse if all of them were measured before."""
    from nagevo.foundation.errors import DataError

    texts = generator.probes_for(device, n, afresh=afresh)
    if not texts:
        raise DataError(
            f"all probes were measured on {device} before: measure more with --probes, or the same again with --replace"
        )
    return texts


def _read(path: Path, space: SearchSpace) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Return all readings of each architecture in a table, NaN for a failure, and options of ``Generator.adapt``."""
    import numpy as np
    import pandas as pd

    from nagevo.foundation.errors import DataError
    from nagevo.foundation.quantities import measured_quantity, value_column
    from nagevo.foundation.tables import read_table, refuse, text_column
    from nagevo.measure.status import OK, UNKNOWN
    from nagevo.measure.tables import parse_architectures

    table = read_table(path, ("architecture",))
    quantity = measured_quantity(table, f"table {path}")
    texts = text_column(table, "architecture", f"table {path}")
    parse_architectures(table, space, f"table {path}")
    read = value_column(table, quantity, f"table {path}")
    status = table["status"].fillna("").astype(str) if "status" in table else pd.Series("", table.index)
    contradicting = ~np.isnan(read) & ~status.isin(["", OK]).to_numpy()
    refuse(table, "status", contradicting, f"{OK} or nothing beside a value of {quantity}", f"table {path}")
    tried = (status != "") & ~status.str.startswith(UNKNOWN)
    known: dict[str, list[float]] = {}
    for text, value, failed in zip(texts, read.tolist(), tried, strict=True):
        if value == value or failed:
            known.setdefault(text, []).append(value)
    if not known:
        raise DataError(f"table {path}: the column {quantity} is empty: fill in what was measured")
    return known, {"measures": quantity}


def _measured(
    generator: Generator, device: str, config: str, n: int | None, *, afresh: bool
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Return the readings of the probes on a device, NaN for a failure, and options of ``Generator.adapt``.

    Latencies are stated at the quiet speed that the references had the first time, or with ``afresh`` have now.
    """
    from nagevo.experiment.config import load_config
    from nagevo.foundation.machine import describe
    from nagevo.measure.latency.condition import conditions, parsed_conditions, restated
    from nagevo.measure.latency.timing import TimedDevice
    from nagevo.measure.status import failure_summary, outcomes, reasons, refuse_all_failed

    settings, space = load_config(config).device(device), generator.space
    opened = settings.create()
    stated = {"statistic": opened.statistic, "condition": opened.condition} if isinstance(opened, TimedDevice) else None
    generator.check_adaptable(device, measures=settings.measures, condition=stated, replace=afresh)
    texts = _probes(generator, device, n, afresh)
    rows = opened.measure(space, space.from_text(texts)).assign(device=device)
    refuse_all_failed(outcomes(rows, settings.measures), device)
    if summary := failure_summary(reasons(rows, settings.measures), device):
        typer.echo(summary, err=True)
    told = {} if afresh else generator.description.get("conditions", {})
    known = parsed_conditions({name: entry for name, entry in told.items() if name == device}, "the bundle")
    condition = conditions({device: rows}, known).get(device)
    entry = None
    if condition is not None:
        entry = condition.described(space.to_text(space.extremes()))
        rows = restated({device: rows}, {device: condition})[device]
        typer.echo(f"{device}: {describe(entry)}", err=True)
    values = {text: [value] for text, value in zip(texts, rows[settings.measures], strict=True)}
    return values, {"measures": settings.measures, "exact": settings.exact, "condition": entry}
