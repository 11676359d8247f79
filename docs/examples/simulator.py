"""A device that is simulated: the latency follows from what a network computes and from its number of weights."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nagevo.measure.latency.base import Device
from nagevo.spaces.base import SearchSpace


class Simulator(Device):
    """Latency of an accelerator that computes and loads weights one after the other."""

    exact = True  # the same architecture always has the same latency

    def __init__(self, *, gmacs_per_s: float = 4.0, million_weights_per_s: float = 500.0):
        self.macs_per_ms, self.weights_per_ms = 1e6 * gmacs_per_s, 1e3 * million_weights_per_s

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        costs = space.costs(choices)
        latency_ms = costs["macs"] / self.macs_per_ms + costs["parameters"] / self.weights_per_ms
        return pd.DataFrame({"latency_ms": latency_ms, "status": "ok"})
