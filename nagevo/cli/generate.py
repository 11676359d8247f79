"""``nagevo generate``: the answer to a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Bundle, Confidence, Device


def run(
    budget: Annotated[list[float] | None, typer.Option(help="The most that one inference may take, in ms.")] = None,
    budgets: Annotated[Path | None, typer.Option(help="File with one budget in ms per line.")] = None,
    device: Device = None,
    confidence: Confidence = 0.9,
    bundle: Bundle = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per budget.")] = False,
    onnx: Annotated[Path | None, typer.Option(help="Also write the network of the only budget as ONNX.")] = None,
) -> None:
    """Answer budgets: which network to deploy, how accurate it is and how long it takes."""
    from nagevo import load
    from nagevo.errors import BudgetError, InfeasibleBudget

    asked = [*(budget or []), *_read(budgets)]
    if not asked:
        raise BudgetError("expected a budget: give --budget or --budgets")
    if onnx is not None and len(asked) != 1:
        raise BudgetError(f"expected one budget with --onnx, got {len(asked)}")
    generator = load(bundle)
    results = generator.answers(asked, device=device, confidence=confidence)
    for result in results:
        typer.echo(_json(result) if json else _line(result), err=isinstance(result, InfeasibleBudget) and not json)
    if any(isinstance(result, InfeasibleBudget) for result in results):
        raise typer.Exit(InfeasibleBudget.exit_code)
    if onnx is not None:
        difference = results[0].export_onnx(onnx)
        typer.echo(f"{onnx}: largest difference of an output from torch's {difference:.2g}", err=True)


def _read(path: Path | None) -> list[float]:
    from nagevo.errors import DataError

    if path is None:
        return []
    try:
        return [float(line) for line in path.read_text().split()]
    except (OSError, ValueError) as error:
        raise DataError(f"expected one budget in ms per line of {path}: {error}") from None


def _json(result) -> str:
    import json

    from nagevo.errors import InfeasibleBudget

    if isinstance(result, InfeasibleBudget):
        return json.dumps({"budget": result.budget, "error": str(result), "minimum": result.minimum})
    keys = ("budget", "device", "architecture", "accuracy", "latency_ms", "latency_bound_ms")
    return json.dumps({key: getattr(result, key) for key in keys})


def _line(result) -> str:
    from nagevo.errors import InfeasibleBudget

    if isinstance(result, InfeasibleBudget):
        return f"nagevo: {result}"
    return (
        f"{result.budget:g} ms on {result.device}: {result.architecture}  "
        f"{result.accuracy:.2f} %, {result.latency_ms:.3g} ms, "
        f"at most {result.latency_bound_ms:.3g} ms at confidence {result.confidence:g}"
    )
