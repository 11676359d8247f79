"""Expected improvement of the hypervolume where the latency is known and the error is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nagevo.foundation.frontier import frontier, hypervolume

REFERENCE_POINT = (1.1, 1.1)
"""Where the hypervolume ends, on the scale of the frontier."""


@dataclass(frozen=True)
class Frontier:
    """A frontier of error and latency, both scaled to [0, 1] over it, up to the reference point (1.1, 1.1).

    Attributes
    ----------
    error, latency : ndarray, shape (n,)
        Scaled, fastest first.
    low, span : ndarray, shape (2,)
        Error (percent) and latency (ms) at 0, and from 0 to 1.
    """

    error: np.ndarray
    latency: np.ndarray
    low: np.ndarray
    span: np.ndarray

    @classmethod
    def of(cls, objectives: np.ndarray) -> Frontier:
        members = objectives[frontier(objectives)]
        low = members.min(axis=0)
        span = members.max(axis=0) - low
        span = np.where(span > 0, span, 1.0)
        scaled = (members - low) / span
        return cls(scaled[:, 0], scaled[:, 1], low, span)

    @property
    def hypervolume(self) -> float:
        """The hypervolume on this scale."""
        return hypervolume(np.column_stack([self.error, self.latency]), REFERENCE_POINT)

    def gain_over(self, objectives: np.ndarray) -> float:
        """Return by how much the hypervolume is larger than that of some other objectives, shape (n, 2)."""
        return self.hypervolume - hypervolume((objectives - self.low) / self.span, REFERENCE_POINT)

    def extended(self, error: float, latency: float) -> Frontier:
        """Return the frontier with one more architecture, on the same scale."""
        new = (np.array([error, latency]) - self.low) / self.span
        points = np.vstack([np.column_stack([self.error, self.latency]), new])
        points = points[frontier(points)]
        return Frontier(points[:, 0], points[:, 1], self.low, self.span)

    def expected_improvement(self, error: np.ndarray, std: np.ndarray, latency: np.ndarray) -> np.ndarray:
        """Return by how much each architecture alone is expected to enlarge the hypervolume, shape (n,).

        Parameters
        ----------
        error, std : ndarray, shape (n,)
            Mean and standard deviation of the error, in percent.
        latency : ndarray, shape (n,)
            In ms.
        """
        error, latency = (error - self.low[0]) / self.span[0], (latency - self.low[1]) / self.span[1]
        std = np.maximum(std / self.span[0], 1e-9)
        best = np.concatenate([[1.1], np.minimum(self.error, 1.1)])  # error to beat, step by step
        begins = np.concatenate([[-np.inf], self.latency])
        ends = np.concatenate([self.latency, [1.1]])
        widths = np.maximum(np.minimum(ends, 1.1) - np.maximum(begins, latency[:, None]), 0.0)  # (n, n_steps)
        ahead = (best - error[:, None]) / std[:, None]
        gains = std[:, None] * (ahead * _cdf(ahead) + np.exp(-(ahead**2) / 2) / np.sqrt(2 * np.pi))
        return (widths * gains).sum(axis=1)


def _cdf(x: np.ndarray) -> np.ndarray:
    """Return the standard normal distribution function."""
    from scipy.special import ndtr

    return ndtr(x)
