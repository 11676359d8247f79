"""What is asked: a latency budget, or several named limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from nagevo.errors import BudgetError

LATENCY = "latency_ms"
"""The limit that a plain number sets, on the device that is asked for; ``latency_ms_<device>`` is that on another."""

Request = float | Mapping[str, float]
"""A latency budget in ms, or limits by name."""


def parse(requests: Iterable[Request]) -> list[dict[str, float]]:
    """Return the limits of each request.

    Raises
    ------
    BudgetError
        If one is neither a number nor a mapping from names to numbers, or holds NaN.

    Examples
    --------
    >>> parse([5, {"parameters": 1e6}])
    [{'latency_ms': 5.0}, {'parameters': 1000000.0}]
    """
    try:
        parsed = [_limits(request) for request in requests]
    except (TypeError, ValueError):
        raise BudgetError(f"expected budgets in ms or limits by name, got {requests!r}"[:200]) from None
    for limits in parsed:
        if not limits:
            raise BudgetError("expected at least one limit in a request")
        if any(math.isnan(limit) for limit in limits.values()):
            raise BudgetError("expected budgets in ms or limits by name, got NaN")
    return parsed


def full_name(limit: str, device: str) -> str:
    """Return the name of a limit that says on which device a latency is meant.

    >>> full_name("latency_ms", "phone"), full_name("parameters", "phone")
    ('latency_ms_phone', 'parameters')
    """
    return f"{LATENCY}_{device}" if limit == LATENCY else limit


def device_of(limit: str) -> str | None:
    """Return the device that a limit names, or None where it names none.

    >>> device_of("latency_ms_phone"), device_of("latency_ms"), device_of("parameters")
    ('phone', None, None)
    """
    prefix, _, device = limit.partition(f"{LATENCY}_")
    return device if device and not prefix else None


def _limits(request: Request) -> dict[str, float]:
    if isinstance(request, Mapping):
        return {name: float(limit) for name, limit in request.items()}
    return {LATENCY: float(request)}
