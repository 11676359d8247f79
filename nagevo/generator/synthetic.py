"""Synthetic devices, so that a generator is trained on more kinds of devices than were measured.

The latency on a synthetic device is a sum of an overhead, of shares that follow the latency on known devices, the
multiply–accumulates (bound by computing) and the parameters (bound by memory), and of costs of single features, such as
an operation that the device does badly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nagevo.learn.predictor import Predictor

CONCENTRATION = 0.3
"""Concentration of the Dirichlet distribution of a mixture: most devices resemble one or two of the sources."""
MAX_OVERHEAD = 0.7
"""Upper end of the uniform distribution of the overhead's share."""
COSTLY, CHEAP = 0.2, 0.01
"""Share of the features with costs of their own, and the factor by which the costs of the others are lower."""
COST_SPREAD = 1.0
"""Standard deviation of the logarithms of the costs."""


@dataclass(frozen=True)
class SyntheticDevices:
    """Latencies as sums over sources and features, all of them relative to their mean over some architectures.

    Attributes
    ----------
    log_mean : ndarray, shape (n_sources,)
        Logarithm of the mean of each source.
    low, scale : ndarray, shape (n_features,)
        Features are reduced by the one and divided by the other: their mean is 1, and none is negative.
    of_sources : ndarray, shape (n_devices, n_sources)
    of_features : ndarray, shape (n_devices, n_features)
    overhead : ndarray, shape (n_devices,)
        Shares of the mean latency, which is 1 ms.
    """

    log_mean: np.ndarray
    low: np.ndarray
    scale: np.ndarray
    of_sources: np.ndarray
    of_features: np.ndarray
    overhead: np.ndarray

    @classmethod
    def draw(cls, features: np.ndarray, sources: np.ndarray, n: int, *, rng: np.random.Generator) -> SyntheticDevices:
        """Return n devices.

        Parameters
        ----------
        features : ndarray, shape (n_architectures, n_features)
        sources : ndarray, shape (n_architectures, n_sources)
            Logarithms: see :func:`log_sources`.
        """
        low = features.min(axis=0)
        scale = (features - low).mean(axis=0)
        overhead, own = MAX_OVERHEAD * rng.random(n), rng.random(n)
        mixture = rng.dirichlet(np.full(sources.shape[1], CONCENTRATION), n)
        costs = np.exp(COST_SPREAD * rng.normal(size=(n, features.shape[1])))
        costs *= np.where(rng.random(costs.shape) < COSTLY, 1.0, CHEAP) * (scale > 0)
        costs /= costs.sum(axis=1, keepdims=True)
        return cls(
            np.log(np.exp(sources).mean(axis=0)),
            low,
            np.where(scale > 0, scale, np.inf),
            ((1 - overhead) * (1 - own))[:, None] * mixture,
            ((1 - overhead) * own)[:, None] * costs,
            overhead,
        )

    def __len__(self) -> int:
        return len(self.overhead)

    def latency_ms(self, features: np.ndarray, sources: np.ndarray) -> np.ndarray:
        """Return the latency of each architecture on each device, shape (n_devices, n)."""
        of_features = np.maximum(features - self.low, 0.0) / self.scale
        return (
            self.overhead[:, None]
            + self.of_sources @ np.exp(sources - self.log_mean).T
            + self.of_features @ of_features.T
            + 1e-6  # a device whose costs are all 0 somewhere takes no less than no time
        )


def log_sources(predictor: Predictor, choices: np.ndarray, latencies: np.ndarray | None = None) -> np.ndarray:
    """Return the logarithms of the sources of synthetic devices, latencies and costs, shape (n, n_sources).

    Parameters
    ----------
    choices : ndarray of int8, shape (n, n_choices)
    latencies : ndarray, shape (n_known, n), optional
        On the known devices, in ms; as the predictor says by default.
    """
    if latencies is None:
        latencies = np.array([predictor.latency_ms(device, choices) for device in predictor.known])
    costs = [np.maximum(cost, 1) for cost in predictor.space.costs(choices).values()]
    return np.log(np.column_stack([*latencies, *costs]).astype(float))
