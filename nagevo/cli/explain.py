"""``nagevo explain``: why an answer takes as long as it does."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nagevo.cli.options import Budget, Bundle, Confidence, Device
from nagevo.cli.printing import answer_line, table_console
from nagevo.foundation.quantities import QUANTITIES

if TYPE_CHECKING:
    from rich.table import Table

    from nagevo.foundation.quantities import Quantity

CHANGES = 12
"""Number of differences that are shown."""


def run(
    budget: Budget,
    device: Device = None,
    confidence: Confidence = 0.9,
    bundle: Bundle = None,
    config: Annotated[
        str | None,
        typer.Option(
            help="YAML file, or JSON text, with the device; needed unless its backend is onnxruntime or torch."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
) -> None:
    """Explain an answer's latency: time its layers, and compare it with the next faster and more accurate answers."""
    from nagevo import load
    from nagevo.experiment.config import load_config
    from nagevo.experiment.explaining import device_of, explain

    generator = load(bundle)
    answer = generator.generate(budget, device=device, confidence=confidence)
    experiment = None if config is None else load_config(config)
    found = explain(generator, answer, device_of(generator, answer.device, experiment))
    if json:
        typer.echo(dumps(found))
        return
    typer.echo(answer_line(answer))
    quantity = QUANTITIES[answer.quantity]
    for sentence in _sentences(found, answer.budget, quantity):
        typer.echo(sentence)
    if found["layers"] is not None:
        table_console().print(_layers(found["layers"]))
    for name, words in (("faster", f"Next {quantity.smaller}"), ("better", "Next more accurate")):
        typer.echo(_neighbor(words, found[name], quantity.unit))


def _sentences(found: dict[str, Any], budget: float, quantity: Quantity) -> list[str]:
    """Return sentences about what the device measures of the network now, and about its layers."""
    from nagevo.experiment.explaining import MOST_LAYERS

    now, layers, unit = found["now"], found["layers"], quantity.unit
    if now is None:
        return ["not measured: the device cannot be opened here; name it with --config"]
    kept = f"within {budget:g} {unit}" if now["kept"] else f"the budget of {budget:g} {unit} is broken"
    slowed = f"; references run at {100 / now['slowdown']:.0f} % of their quiet speed" if now["slowdown"] > 1 else ""
    judged = f"{now['value']:.3g} {unit} in the condition of the promise"
    sentences = [f"{quantity.words} now: {judged}, {kept} (uncorrected: {now['raw']:.3g} {unit}{slowed})"]
    if now["machine"] is not None:
        machine = ", ".join(map(str, now["machine"].values()))
        sentences.append(f"the promise is for another machine: {machine}")
    if layers is None:
        return [*sentences, "no layers: the device has no profile of them"]
    if found["elsewhere"]:
        sentences.append(f"layers that do not run on the device itself: {', '.join(found['elsewhere'])}")
    if found["slower"] and not now["kept"]:
        sentences.append(f"layers that became slower since the delivery: {', '.join(found['slower'][:MOST_LAYERS])}")
    elif not now["kept"] and "then" in layers[0]:
        sentences.append("no layer became slower than the others since the delivery")
    elif not now["kept"]:
        sentences.append("the network was not delivered, so there are no earlier times of its layers to compare with")
    return sentences


def _layers(layers: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    from nagevo.experiment.explaining import MOST_LAYERS

    then = "then" in layers[0]
    total = sum(layer["ms"] for layer in layers)
    title = f"The {min(MOST_LAYERS, len(layers))} slowest of {len(layers)} layers"
    table = Table(title=title, title_justify="left")
    for heading in ("layer", "operator", "runs on"):
        table.add_column(heading, overflow="fold")
    for heading in ("ms", "share (%)", *(["ms when delivered"] if then else [])):
        table.add_column(heading, justify="right")
    for layer in sorted(layers, key=lambda layer: -layer["ms"])[:MOST_LAYERS]:
        earlier = [] if not then else ["–" if layer["then"] is None else f"{layer['then']:.3g}"]
        share = f"{100 * layer['ms'] / total:.1f}"
        table.add_row(layer["layer"], layer["operator"], layer["place"], f"{layer['ms']:.3g}", share, *earlier)
    return table


def _neighbor(words: str, other: dict[str, Any] | None, unit: str) -> str:
    if other is None:
        return f"{words}: none"
    changes = other["changes"][:CHANGES]
    more = len(other["changes"]) - len(changes)
    rest = f"; and {more} more" if more else ""
    return f"{words}: {other['value']:+.3g} {unit}, {other['points']:+.2f} points: {'; '.join(changes)}{rest}"
