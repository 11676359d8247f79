"""Requests: a budget, or several named limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nagevo.foundation.errors import BudgetError
from nagevo.foundation.quantities import LATENCY

Request = float | Mapping[str, float]
"""A budget for what the device measures, a latency in ms unless it says otherwise, or limits by name."""


def parse(requests: Iterable[Request], budget: str = LATENCY) -> list[dict[str, float]]:
    """Return the limits of each request; ``budget`` is the limit that a plain number sets.

    Raises
    ------
    BudgetError
        If one is neither a number nor a mapping from names to numbers, or holds NaN. Texts are no numbers.

    Examples
    --------
    >>> parse([5, {"parameters": 1e6}])
    [{'latency_ms': 5.0}, {'parameters': 1000000.0}]
    """
    try:
        if isinstance(requests, str | bytes):
            raise TypeError("a text holds no requests")
        parsed = [_limits(request, budget) for request in requests]
    except (TypeError, ValueError):
        raise BudgetError(f"expected budgets in ms or limits by name, got {shown(requests)}") from None
    for limits in parsed:
        if not limits:
            raise BudgetError("expected at least one limit in a request")
        if any(math.isnan(limit) for limit in limits.values()):
            raise BudgetError("expected budgets in ms or limits by name, got NaN")
    return parsed


def real_number(value: Any) -> float:
    """Return a number as a float; raise TypeError or ValueError if it is none, as texts and booleans are."""
    if isinstance(value, str | bytes | bool | np.bool_):
        raise TypeError(f"{value!r} is not a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def shown(value: object) -> str:
    """Return a value as a message quotes it."""
    try:
        return repr(value)[:200]
    except ValueError:  # an integer of more digits than Python writes
        return "a number of very many digits"


def tightest(limits: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the smallest limit of each name, in the order in which the names first occur.

    Raises
    ------
    BudgetError
        If a limit is NaN.

    Examples
    --------
    >>> tightest([("latency_ms", 5.0), ("parameters", 1e6), ("latency_ms", 3.0)])
    {'latency_ms': 3.0, 'parameters': 1000000.0}
    """
    smallest: dict[str, float] = {}
    for name, limit in limits:
        if math.isnan(limit):
            raise BudgetError(f"expected a number as limit of {name}, got NaN")
        smallest[name] = min(limit, smallest.get(name, math.inf))
    return smallest


@dataclass(frozen=True)
class Quantities:
    """Quantity that each device measures, and the names of limits on it.

    Attributes
    ----------
    of_device : mapping of str to str
        By device, the name of its quantity.

    Examples
    --------
    >>> quantities = Quantities({"phone": "latency_ms", "board": "latency_ms", "meter": "energy_mj"})
    >>> quantities.full_name("latency_ms", "phone"), quantities.full_name("energy_mj", "phone")
    ('latency_ms_phone', 'energy_mj_meter')
    >>> quantities.full_name("parameters", "phone"), quantities.device_of("latency_ms_board")
    ('parameters', 'board')
    """

    of_device: Mapping[str, str]

    def on(self, device: str) -> str:
        """Return the full name of the limit on what a device measures."""
        return f"{self.of_device[device]}_{device}"

    def full_name(self, limit: str, device: str) -> str:
        """Return the name of a limit that says which device is meant.

        A quantity alone is that of the device that is asked for, or else of the only one that measures it.
        """
        if limit == self.of_device[device]:
            return self.on(device)
        measuring = [other for other, quantity in self.of_device.items() if quantity == limit]
        return self.on(measuring[0]) if len(measuring) == 1 else limit

    def tightest(self, limits: Mapping[str, float], device: str) -> dict[str, float]:
        """Return the limits of a request, of two that mean the same quantity the tighter one, by the name given first.

        >>> Quantities({"phone": "latency_ms"}).tightest({"latency_ms": 5.0, "latency_ms_phone": 3.0}, "phone")
        {'latency_ms': 3.0}
        """
        full = {name: self.full_name(name, device) for name in limits}
        smallest = tightest((full[name], limit) for name, limit in limits.items())
        first = {full_name: name for name, full_name in reversed(full.items())}
        return {first[full_name]: limit for full_name, limit in smallest.items()}

    def device_of(self, limit: str) -> str | None:
        """Return the device that the full name of a limit names, or None where it names none."""
        return next((device for device in self.of_device if self.on(device) == limit), None)

    def names(self) -> list[str]:
        """Return all names of limits on what devices measure, the short ones first."""
        return [*dict.fromkeys(self.of_device.values()), *map(self.on, self.of_device)]


def _limits(request: Request, budget: str) -> dict[str, float]:
    limits = request if isinstance(request, Mapping) else {budget: request}
    return {name: real_number(limit) for name, limit in limits.items()}
