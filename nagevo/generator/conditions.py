"""What the generator is told: the asked limits, and the device as the latencies of a few probe architectures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nagevo.measurements import Measurements
from nagevo.spaces.base import SearchSpace

LIMITS = ("latency_ms",)
"""What an architecture can be held to. A request is a vector of these, NaN where nothing is asked."""


@dataclass(frozen=True)
class DeviceView:
    """How the generator sees one device.

    Attributes
    ----------
    probe_latency_ms : ndarray, shape (n_probes,)
        Latencies of the probe architectures.
    lower, upper : ndarray, shape (n_limits,)
        The least that any architecture needs of each limit, and what the most accurate one needs.
    """

    probe_latency_ms: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def conditions(self, requests: np.ndarray) -> np.ndarray:
        """Return the generator's input for each request.

        Parameters
        ----------
        requests : ndarray, shape (n, n_limits)
            The limits, NaN where absent.

        Returns
        -------
        ndarray of float32, shape (n, 2 * n_limits + n_probes)
            Each limit's logarithmic position between ``lower`` (0) and ``upper`` (1); which limits are there; and the
            shape of the device: the logarithms of its probe latencies less their mean.
        """
        asked = ~np.isnan(requests)
        span = np.maximum(np.log(self.upper / self.lower), 1e-9)
        position = np.clip(np.log(np.maximum(requests, 1e-300) / self.lower) / span, 0.0, 1.0)
        log_probe = np.log(self.probe_latency_ms)
        shape = np.broadcast_to(log_probe - log_probe.mean(), (len(requests), len(log_probe)))
        return np.concatenate([np.where(asked, position, 0.0), asked, shape], axis=1).astype(np.float32)

    def lattice(self, n: int) -> np.ndarray:
        """Return n latency budgets, logarithmically even from ``lower`` to ``upper``, shape (n, n_limits)."""
        return np.geomspace(self.lower, self.upper, n)


def choose_probes(space: SearchSpace, measurements: Measurements, n: int) -> np.ndarray:
    """Return n architectures that tell devices apart, shape (n, n_choices), or all where there are fewer.

    They are chosen from those that were measured on every device, or from all where there are none.

    The first is the one nearest to the middle of the measured ones; each further one is the farthest, in standardized
    features, from those chosen before (farthest-point design).
    """
    measured = np.isfinite(np.stack(list(measurements.latency_ms.values()))).all(axis=0)
    choices = measurements.choices[measured if measured.any() else slice(None)]
    features = space.features(choices)
    features = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    chosen = [int(np.argmin((features**2).sum(axis=1)))]
    distance = np.full(len(choices), np.inf)
    while len(chosen) < min(n, len(choices)):
        distance = np.minimum(distance, ((features - features[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(np.argmax(distance)))
    return choices[chosen]
