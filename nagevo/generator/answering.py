"""Requests answered from a table of candidates: which devices and limits are meant, and the rankings for them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.foundation.errors import BudgetError, InfeasibleBudget, unknown
from nagevo.generator.answer import Answer
from nagevo.generator.ranking import Ranking
from nagevo.generator.requests import Quantities, Request, parse

if TYPE_CHECKING:
    from nagevo.generator.candidates import Candidates, DeviceTable
    from nagevo.generator.networks import Networks


class Answering:
    """Answers requests from a table of candidates, ranked for each kind of request; the last rankings are kept."""

    def __init__(self, candidates: Candidates, networks: Networks):
        self.candidates, self.networks = candidates, networks
        self.quantities = Quantities({device: table.quantity for device, table in self.candidates.devices.items()})
        self.limits = (*self.quantities.names(), *self.candidates.costs)
        self.ranking = lru_cache(maxsize=64)(self._ranking)
        self._ranked = lru_cache(maxsize=64)(self._ranked_for)

    def table(self, device: str | None) -> tuple[str, DeviceTable]:
        """Return the name and the table of a device; None means the only one."""
        devices = self.candidates.devices
        if device is None:
            if len(devices) > 1:
                raise BudgetError(f"expected the name of a device: choose one of {', '.join(devices)}")
            (device,) = devices
        if not isinstance(device, str) or device not in devices:
            raise BudgetError(unknown("device", device, devices))
        return device, devices[device]

    def check_confidence(self, confidence: float, devices: Iterable[str]) -> None:
        """Raise BudgetError if the measurements on a device do not support a confidence."""
        if not isinstance(confidence, Real) or not 0 < confidence < 1:
            raise BudgetError(f"expected a confidence between 0 and 1, got {confidence!r}"[:300])
        for device in devices:
            highest = self.candidates.devices[device].highest_confidence
            if confidence > highest:
                raise BudgetError(
                    f"confidence {confidence:g} is higher than the measurements on {device} support: "
                    f"at most {highest:.4g}"
                )

    def answers(
        self, requests: Iterable[Request], device: str | None, confidence: float, n: int | None
    ) -> list[list[Answer] | InfeasibleBudget]:
        """Return for each request up to n answers, one where ``n`` is None, or why there is none."""
        device, table = self.table(device)
        parsed = parse(requests, table.quantity)
        if n is not None and (not isinstance(n, Integral) or n < 1):
            raise BudgetError(f"expected a whole number of answers, at least 1, got {n!r}")
        self.check_confidence(confidence, [device])
        parsed = [self.quantities.tightest(limits, device) for limits in parsed]
        ranked = {names: self._ranked(names, device, confidence) for names in {tuple(limits) for limits in parsed}}
        return [ranked[tuple(limits)].answers(limits, n or 1) for limits in parsed]

    def bounds(self, device: str, confidence: float) -> list[float]:
        """Return the distinct bounds of a device's candidates, ascending."""
        return np.unique(self.ranking((device,), confidence).bounds[self.quantities.on(device)]).tolist()

    def others(self, device: str) -> list[str]:
        """Return the devices that measure another quantity than this one."""
        device, _ = self.table(device)
        of_device = self.quantities.of_device
        return [other for other, quantity in of_device.items() if quantity != of_device[device]]

    def offers(self, device: str, confidence: float) -> dict[str, list[Any]]:
        """Return every candidate that is the answer to some limits; see :meth:`Generator.offers`."""
        import moocore

        devices = (device, *self.others(device))
        self.check_confidence(confidence, devices)
        ranking, own, candidates = self.ranking(devices, confidence), self.quantities.on(device), self.candidates
        kept = moocore.is_nondominated(np.column_stack([-candidates.accuracy[ranking.rows], *ranking.bounds.values()]))
        rows, bounds = ranking.rows[kept], {name: values[kept] for name, values in ranking.bounds.items()}
        columns = {
            "accuracy": candidates.accuracy[rows],
            "measured": candidates.evaluated[rows],
            "verified": candidates.devices[device].verified[rows],
            "value": candidates.devices[device].expected[rows],
            "bound": bounds.pop(own),
            **bounds,
        }
        return {"architecture": [candidates.texts[row] for row in rows]} | {
            name: values.tolist() for name, values in columns.items()
        }

    def _ranking(self, devices: tuple[str, ...], confidence: float) -> Ranking:
        """Return the candidates of some devices in order, of equally accurate ones the best on the first device."""
        candidates = self.candidates
        rows = candidates.on(dict.fromkeys([*devices, *self.others(devices[0])]))
        if not len(rows):
            raise BudgetError(f"every architecture failed on {' or '.join(devices)}: nothing can be answered")
        bounds = {self.quantities.on(device): candidates.devices[device].bounds(confidence) for device in devices}
        first = self.quantities.on(devices[0])
        return Ranking.of(candidates.accuracy, candidates.network, bounds | candidates.costs, first, rows)

    def _ranked_for(self, names: tuple[str, ...], device: str, confidence: float) -> _Ranked:
        """Return the candidates for requests to a device with limits of these names."""
        named = self._full_names(names, device)
        others = {self.quantities.device_of(full) for full in named} - {None, device}
        devices = (device, *sorted(filter(None, others)))
        self.check_confidence(confidence, devices)
        ranking, candidates, own = self.ranking(devices, confidence), self.candidates, self.quantities.on(device)
        rows, table = ranking.rows, candidates.devices[device]
        columns = {
            "architecture": [candidates.texts[row] for row in rows],
            "accuracy": candidates.accuracy[rows].tolist(),
            "value": table.expected[rows].tolist(),
            "bound": ranking.bounds[own].tolist(),
            "measured": candidates.evaluated[rows].tolist(),
            "verified": table.verified[rows].tolist(),
            "resolution": [pixels or None for pixels in candidates.resolution[rows].tolist()],
            "measured_value": table.measured[rows].tolist(),
        }
        shared = {
            "device": device,
            "quantity": table.quantity,
            "confidence": confidence,
            "experiment": self.networks.description["experiment"],
            "networks": self.networks,
        }
        return _Ranked(own, named, ranking, {full: ranking.bounds[full].tolist() for full in named}, columns, shared)

    def _full_names(self, names: Iterable[str], device: str) -> dict[str, str]:
        """Return the names of limits by their full names; none may be unknown, or mean several devices."""
        named = {self.quantities.full_name(name, device): name for name in names}
        short = self.quantities.of_device.values()
        for full, name in named.items():
            if full in short or name not in self.limits:
                raise BudgetError(unknown("limit", name, set(self.limits) - {full}))
        return named


@dataclass(frozen=True)
class _Ranked:
    """Candidates for requests with the same limits, as lists in the order of the ranking.

    Attributes
    ----------
    own : str
        Full name of the limit on the device's quantity.
    named : dict of str to str
        Names of the limits in the requests, by their full names.
    bounds : dict of list of float
        Bounds of each limit, by full name.
    columns : dict of list
        Attributes of the answers, by name.
    shared : dict
        Attributes that are the same for all answers.
    """

    own: str
    named: dict[str, str]
    ranking: Ranking
    bounds: dict[str, list[float]]
    columns: dict[str, list[Any]]
    shared: dict[str, Any]

    def answers(self, limits: dict[str, float], n: int) -> list[Answer] | InfeasibleBudget:
        """Return up to n answers to one request, the most accurate first."""
        asked = {full: limits[name] for full, name in self.named.items()}
        budget = asked.get(self.own, math.inf)
        places = self.ranking.best(asked, n)
        if not places:
            binding, nearest = self.ranking.nearest(asked)
            nearest = {self.named[full]: limit for full, limit in nearest.items()}
            minimum = self.ranking.minimum(self.own, asked)
            return InfeasibleBudget(budget, minimum, self.shared["device"], limits, self.named[binding], nearest)
        return [
            Answer(
                budget=budget,
                limits=limits,
                bounds={name: self.bounds[full][place] for full, name in self.named.items()},
                **{name: column[place] for name, column in self.columns.items()},
                **self.shared,
            )
            for place in places
        ]
