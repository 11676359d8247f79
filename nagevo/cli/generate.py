"""``nagevo generate``: the answer to a budget."""

from __future__ import annotations

import math
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nagevo.cli.options import Bundle, Confidence, Device, Untrained, warn_untrained, writable_onnx
from nagevo.cli.printing import answer_line

if TYPE_CHECKING:
    from nagevo.foundation.errors import InfeasibleBudget
    from nagevo.generator.answer import Answer
    from nagevo.generator.requests import Request


def run(
    budget: Annotated[
        list[float] | None,
        typer.Option(
            help="Largest allowed latency of one inference in ms, or of another quantity if the device measures "
            "that one."
        ),
    ] = None,
    budgets: Annotated[Path | None, typer.Option(help="File with one budget in ms per line.")] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="A further limit of every request, as `parameters=1e6`; see `nagevo show` for the names."),
    ] = None,
    count: Annotated[
        int,
        typer.Option(
            "--count", "-n", min=1, help="Maximum number of answers to each request, the most accurate first."
        ),
    ] = 1,
    device: Device = None,
    confidence: Confidence = 0.9,
    bundle: Bundle = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per answer.")] = False,
    onnx: Annotated[
        Path | None,
        typer.Option(
            callback=writable_onnx, help="Also write the network as ONNX; only with one budget and one answer."
        ),
    ] = None,
    untrained: Untrained = False,
) -> None:
    """Answer budgets and limits with the network to deploy, its accuracy and its latency."""
    from nagevo import load
    from nagevo.foundation.errors import BudgetError, InfeasibleBudget, check_installed
    from nagevo.generator.requests import tightest

    asked, limits = [*(budget or []), *_read(budgets)], [*map(_limit, limit or [])]
    if not asked and not limits:
        raise BudgetError("expected a budget: give --budget, --budgets or --limit")
    if onnx is not None and (len(asked) > 1 or count != 1):
        raise BudgetError(f"expected one budget and one answer with --onnx, got {len(asked)} and {count}")
    generator = load(bundle)
    requests: list[Request] = [*asked]
    if limits:
        name = generator.quantity(device)
        requests = [tightest([(name, budget), *limits]) for budget in asked] or [tightest(limits)]
    given: list[Answer] = []
    results = generator.answers(requests, device=device, confidence=confidence, n=count)
    for result in results:
        if isinstance(result, InfeasibleBudget):
            typer.echo(_refusal(result, generator.experiment) if json else f"nagevo: {result}", err=not json)
            continue
        given += result
        for answer in result:
            typer.echo(dumps(answer.describe()) if json else answer_line(answer))
    if any(isinstance(result, InfeasibleBudget) for result in results):
        raise typer.Exit(InfeasibleBudget.exit_code)
    if onnx is not None and given[0].onnx_file is not None:
        given[0].export_onnx(onnx)
        typer.echo(f"{onnx}: a copy of {given[0].onnx_file}", err=True)
    elif onnx is not None:
        check_installed("onnxscript")
        deployment = given[0].deployment(untrained=untrained)
        difference = deployment.export_onnx(onnx)
        warn_untrained(deployment.description)
        typer.echo(f"{onnx}: largest difference of an output from torch's {difference:.2g}", err=True)


def _limit(text: str) -> tuple[str, float]:
    from nagevo.foundation.errors import BudgetError

    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise BudgetError(f"expected --limit NAME=NUMBER, got {text}") from None


def _read(path: Path | None) -> list[float]:
    from nagevo.foundation.errors import DataError

    if path is None:
        return []
    try:
        lines = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"expected one budget in ms per line of {path}: {error}") from None
    budgets = []
    for number, line in enumerate(lines, start=1):
        try:
            budgets += [float(text) for text in line.split()]
        except ValueError:
            raise DataError(f"{path}, line {number}: expected one budget in ms, got {line.strip()!r}"[:300]) from None
    return budgets


def _refusal(error: InfeasibleBudget, experiment: str) -> str:
    """Return a refusal as JSON, with null for infinite numbers."""
    entry: dict[str, object] = {
        "experiment": experiment,
        "budget": _finite(error.budget),
        "device": error.device,
        "error": str(error),
        "minimum": _finite(error.minimum),
    }
    if list(error.limits) != ["latency_ms"]:
        limits = {name: _finite(limit) for name, limit in error.limits.items()}
        entry |= {"limits": limits, "binding": error.binding, "nearest": error.nearest}
    return dumps(entry)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
