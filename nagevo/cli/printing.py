"""How commands print tables and answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from nagevo.generator.answer import Answer

LEAST_COLUMNS = 80
"""Number of columns that tables fit into: in fewer, their numbers would be cut and names of rows left out."""


def table_console() -> Console:
    """Return a console as wide as the terminal, and never narrower than tables need."""
    from rich.console import Console

    console = Console(highlight=False)
    console.width = max(console.width, LEAST_COLUMNS)
    return console


def answer_line(answer: Answer) -> str:
    """Return an answer as one line for people."""
    from nagevo.foundation.machine import stated
    from nagevo.foundation.quantities import QUANTITIES
    from nagevo.foundation.rounding import rounded_up

    own, entry = answer.quantity, answer.networks.condition(answer.device)
    unit = QUANTITIES[own].unit
    limited = own in answer.limits and math.isfinite(answer.budget)
    asked = [f"{answer.budget:g} {unit}"] if limited else []
    asked += [f"{name} {limit:g}" for name, limit in answer.limits.items() if name != own]
    others = [f", {name} {rounded_up(bound, 6)}" for name, bound in answer.bounds.items() if name != own]
    return (
        f"{' and '.join(asked) or 'any budget'} on {answer.device}: {answer.architecture}  "
        f"{answer.accuracy:.2f} %, {answer.value:.3g} {unit}, "
        f"at most {rounded_up(answer.bound, 3)} {unit} at confidence {answer.confidence:g}{''.join(others)}"
        f"{'' if entry is None else f' ({stated(entry)})'}"
    )
