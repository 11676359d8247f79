"""Candidates in order of preference, and which of them keep limits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

SMALLEST = 1e-200
"""Smaller limits count as this one when the factor by which they are exceeded is computed."""


@dataclass(frozen=True)
class Ranking:
    """Candidates in the order in which they are preferred.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        The rows of the candidates, the most accurate first, and of equally accurate ones the fastest.
    network : ndarray of int, shape (n,)
        Index of the network at each place in the order.
    bounds : dict of ndarray, shape (n,)
        Upper bound of each place at the asked confidence, by limit.
    """

    rows: np.ndarray
    network: np.ndarray
    bounds: dict[str, np.ndarray]
    _steps: dict[str, tuple[list[float], list[int]]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, accuracy: np.ndarray, network: np.ndarray, bounds: Mapping[str, np.ndarray], first: str, rows: np.ndarray
    ) -> Ranking:
        """Return the order of some rows of candidates; ties are broken by the limit ``first``."""
        others = [values[rows] for name, values in bounds.items() if name != first]
        rows = rows[np.lexsort((*others[::-1], bounds[first][rows], -accuracy[rows]))]
        return cls(rows, network[rows], {name: values[rows] for name, values in bounds.items()})

    def best(self, limits: Mapping[str, float], n: int = 1) -> list[int]:
        """Return the first n places that keep the limits and mean different networks, fewer where there are fewer.

        Examples
        --------
        >>> ranking = Ranking(np.arange(3), np.array([7, 7, 8]), {"latency_ms": np.array([3.0, 2.0, 1.0])})
        >>> ranking.best({"latency_ms": 2.5}), ranking.best({"latency_ms": 2.5}, n=5), ranking.best({"latency_ms": 0.5})
        ([1], [1, 2], [])
        """
        if n == 1 and len(limits) == 1:
            ((name, limit),) = limits.items()
            bounds, places = self._steps_of(name)
            step = bisect_right(bounds, limit)
            return places[max(step - 1, 0) : step]
        holding = self._holding(limits)
        if n == 1:
            return holding[:1].tolist()
        _, first = np.unique(self.network[holding], return_index=True)
        return holding[np.sort(first)[:n]].tolist()

    def _steps_of(self, name: str) -> tuple[list[float], list[int]]:
        """Return ascending bounds of one limit, and for each the first place that keeps a limit from this bound on."""
        if name not in self._steps:
            bounds = self.bounds[name]
            places = np.argsort(bounds, kind="stable")
            before = np.minimum.accumulate(np.concatenate([[len(places)], places]))[:-1]
            places = places[places < before]
            self._steps[name] = bounds[places].tolist(), places.tolist()
        return self._steps[name]

    def minimum(self, name: str, limits: Mapping[str, float]) -> float:
        """Return the smallest value of a limit that can be promised while the others are kept; infinite if none."""
        others = {other: limit for other, limit in limits.items() if other != name}
        return float(self.bounds[name][self._holding(others)].min(initial=np.inf))

    def nearest(self, limits: Mapping[str, float]) -> tuple[str, dict[str, float]]:
        """Return the binding one of some limits that no candidate keeps, and the nearest limits that a candidate keeps.

        The nearest candidate exceeds the limits by the smallest factor; the limit that it exceeds most is the binding
        one.

        Examples
        --------
        >>> bounds = {"latency_ms": np.array([3.0, 2.0]), "parameters": np.array([10.0, 40.0])}
        >>> Ranking(np.arange(2), np.arange(2), bounds).nearest({"latency_ms": 2.5, "parameters": 20.0})
        ('latency_ms', {'latency_ms': 3.0, 'parameters': 20.0})
        """
        bounds = np.array([self.bounds[name] for name in limits])  # (n_limits, n)
        asked = np.array(list(limits.values()))[:, None]
        excess = bounds / np.maximum(asked, SMALLEST)
        place = int(excess.max(axis=0).argmin())
        binding = list(limits)[int(excess[:, place].argmax())]
        return binding, dict(zip(limits, np.maximum(bounds, asked)[:, place].tolist(), strict=True))

    def _holding(self, limits: Mapping[str, float]) -> np.ndarray:
        """Return the places that keep all limits, in order."""
        holding = np.ones(len(self.rows), dtype=bool)
        for name, limit in limits.items():
            holding &= self.bounds[name] <= limit
        return np.flatnonzero(holding)
