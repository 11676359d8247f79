"""A device for the workflow's tests that is timed, and yet says the same each time."""

from __future__ import annotations

import numpy as np

from nagevo.measure.latency.table import TableDevice


class Watch(TableDevice):
    """A table that is read with an error of up to 1 %, always the same for a cell."""

    exact = free = False

    def measure(self, space, choices):
        table = super().measure(space, choices)
        return table.assign(latency_ms=table["latency_ms"] * (1 + 0.01 * np.sin(1e3 * choices.sum(axis=1))))
