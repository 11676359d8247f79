"""Conditions of the generator: the asked limits, and the device as the latencies of a few probe architectures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nagevo.spaces.base import SearchSpace

LIMIT_PROBABILITY = 0.5
"""Probability with which each limit is there in a request of several limits."""


def limited(space: SearchSpace, choices: np.ndarray, latency_ms: np.ndarray) -> np.ndarray:
    """Return the latency and the costs of architectures, those that the model takes limits on, shape (n, n_limits).

    The limits are on the latency and on the costs of the space, such as parameters. A request is a vector of them, NaN
    where nothing is asked.
    """
    return np.column_stack([latency_ms, *space.costs(choices).values()]).astype(float)


@dataclass(frozen=True)
class DeviceView:
    """How the generator sees one device.

    Attributes
    ----------
    probe_latency_ms : ndarray, shape (n_probes,)
        Latencies of the probe architectures.
    lower, upper : ndarray, shape (n_limits,)
        Smallest value of any architecture for each limit, and the value of the most accurate one: see :func:`limited`.
    """

    probe_latency_ms: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def of(cls, accuracy: np.ndarray, values: np.ndarray, probe_latency_ms: np.ndarray) -> DeviceView:
        """Return the view of a device on which some architectures need ``values`` of the limits."""
        lower = values.min(axis=0)
        upper = np.maximum(values[int(np.argmax(accuracy))], lower * (1 + 1e-6))
        return cls(probe_latency_ms, lower, upper)

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
        requests = np.full((n, len(self.lower)), np.nan)
        requests[:, 0] = np.geomspace(self.lower[0], self.upper[0], n)
        return requests

    def several(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return n requests with limits other than the latency alone, each drawn logarithmically, (n, n_limits).

        There are none where nothing but the latency can be limited.
        """
        n_limits = len(self.lower)
        if n_limits == 1:
            return np.empty((0, 1))
        requests = self.lower * (self.upper / self.lower) ** rng.random((n, n_limits))
        asked = rng.random((n, n_limits)) < LIMIT_PROBABILITY
        asked[np.arange(n), rng.integers(1, n_limits, n)] = True
        return np.where(asked, requests, np.nan)
