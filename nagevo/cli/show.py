"""``nagevo show``: what a generator can be asked, and how good its answers were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nagevo.cli.options import Confidence
from nagevo.cli.printing import table_console
from nagevo.cli.results import EVALUATION, VALIDATION

if TYPE_CHECKING:
    from rich.table import Table

    from nagevo.generator.generator import Generator


def run(
    bundle: Annotated[
        Path | None, typer.Argument(help="Folder of the generator; by default the latest below results/.")
    ] = None,
    confidence: Confidence = 0.9,
) -> None:
    """Show the devices of a generator, the range of budgets that matters on each, and the metrics of its answers."""
    from nagevo import load
    from nagevo.deploy.config import DELIVERED, INDEX
    from nagevo.evaluate.verdict import verdicts
    from nagevo.experiment.description import effort
    from nagevo.foundation.files import content_of, read_json
    from nagevo.foundation.machine import describe
    from nagevo.generator.bundle import MANIFEST

    generator = load(bundle)
    assert generator.folder is not None
    description, console = generator.description, table_console()
    console.print(
        f"{generator.folder}: experiment {description['experiment']}, seed {description['seed']}, "
        f"space {description['space']['name']}, {effort(description)}",
        soft_wrap=True,
    )
    console.print(_budgets(generator, confidence))
    console.print(f"Limits: {', '.join(generator.limits)}", soft_wrap=True)
    with content_of(generator.folder / MANIFEST, "the manifest of a bundle"):
        for sentence in _expected(description.get("expected_gain", {"devices": {}})):
            console.print(sentence, soft_wrap=True)
    for device, entry in description.get("conditions", {}).items():
        console.print(f"{device}: {describe(entry)}", soft_wrap=True)
    for failures in description["failures"]:
        console.print(failures, soft_wrap=True)
    experiment = generator.folder.parent
    metrics = experiment / "evaluation.json"
    if metrics.is_file():
        with content_of(metrics, EVALUATION):
            evaluation: Any = read_json(metrics)
            console.print(_metrics(evaluation))
            for sentence in verdicts(evaluation):
                console.print(sentence, soft_wrap=True)
    delivered = experiment / "networks" / INDEX
    if delivered.is_file():
        with content_of(delivered, DELIVERED):
            for table in _delivered(read_json(delivered)):
                console.print(table)
    validation = experiment / VALIDATION
    if validation.is_file():
        from nagevo.foundation.tables import read_table
        from nagevo.measure.accuracy.validation import Agreement

        console.print(str(Agreement.of(read_table(validation))), soft_wrap=True)


def _expected(gains: Any) -> list[str]:
    """Return a sentence for each device on what further evaluations are expected to bring."""
    return [
        f"{device}: {gains['evaluations']} more evaluations are expected to raise the hypervolume by {100 * gain:.1f} %"
        for device, gain in gains["devices"].items()
    ]


def _table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return an empty table that fits into 80 columns: texts are folded, numbers are not."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in texts:
        table.add_column(heading, overflow="fold", vertical="top")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _budgets(generator: Generator, confidence: float) -> Table:
    from nagevo.foundation.quantities import QUANTITIES
    from nagevo.foundation.rounding import rounded_up

    headings = ("answers", "verified", "budgets", "accuracy (%)", "highest\nconfidence")
    table = _table(f"Budgets at confidence {confidence:g}", ["device"], headings)
    for device in generator.devices:
        steps = generator.steps(device=device, confidence=confidence)
        first, last, unit = steps[0], steps[-1], QUANTITIES[generator.quantity(device)].unit
        table.add_row(
            device,
            str(len(steps)),
            str(sum(answer.verified for answer in steps)),
            f"{rounded_up(first.bound)} to {rounded_up(last.bound)} {unit}",
            f"{first.accuracy:.1f} to {last.accuracy:.1f}",
            f"{generator.highest_confidence(device):.3g}",
        )
    return table


def _metrics(evaluation: Any) -> Table:
    title = f"Answers measured again, asked at confidence {evaluation['confidence']:g}"
    headings = ("hypervolume\nratio", "mean regret\n(points)", "violated\n(%)", "budget used\n(%)")
    table = _table(title, ["device", "method"], headings)
    for device, entry in evaluation["devices"].items():
        for method, metrics in entry["metrics"].items():
            table.add_row(
                device,
                method,
                _fixed(metrics["hypervolume_ratio"], 4),
                _fixed(metrics["mean_regret"], 2),
                f"{100 * metrics['violation_rate']:.1f}",
                f"{100 * metrics['budget_use']:.1f}",
            )
    return table


def _delivered(index: Any) -> list[Table]:
    """Return one table for each device with delivered networks."""
    from nagevo.foundation.quantities import QUANTITIES
    from nagevo.foundation.rounding import rounded_up

    headings = ("asked", "promised", "measured", "test (%)\nbefore", "after", "as ONNX")
    tables: dict[str, Table] = {}
    for network in index["networks"]:
        device, accuracy = network["device"], network["accuracy"]
        unit = QUANTITIES[index["devices"][device]["quantity"]].unit
        respect = f" ({network['statistic']}, {network['condition']})" if network["statistic"] else ""
        table = tables.setdefault(
            device, _table(f"Delivered for {device}, in {unit}{respect}", ["network"], [*headings, "kept"])
        )
        table.add_row(
            network["folder"].removeprefix(f"{device}/"),
            *(rounded_up(network[key]) for key in ("asked", "promised")),
            "failed" if network["measured"] is None else f"{network['measured']:.4g}",
            *(_fixed(accuracy.get(key), 2) for key in ("test_before", "test", "exported")),
            "yes" if network["kept"] else "no",
        )
    return list(tables.values())


def _fixed(value: float | None, digits: int) -> str:
    """Return a number with some digits after the point; a dash where no budget was feasible."""
    return "–" if value is None else f"{value:.{digits}f}"
