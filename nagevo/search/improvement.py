"""Expected improvement of the hypervolume where the latency is known and the error is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nagevo.foundation.frontier import REFERENCE_POINT, frontier, hypervolume
from nagevo.learn.predictor import Predictor
from nagevo.spaces.base import unique, without

N_RECOMPUTED = 200
"""Number of expected improvements, the largest ones, that are computed at a time."""


@dataclass(frozen=True)
class Frontier:
    """A frontier of error and latency, both scaled to [0, 1] over it, up to :data:`REFERENCE_POINT`.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        Scaled error and latency, fastest first.
    low, span : ndarray, shape (2,)
        Error (percent) and latency (ms) at 0, and from 0 to 1.
    """

    points: np.ndarray
    low: np.ndarray
    span: np.ndarray

    @classmethod
    def of(cls, objectives: np.ndarray) -> Frontier:
        members = objectives[frontier(objectives)]
        low = members.min(axis=0)
        span = members.max(axis=0) - low
        span = np.where(span > 0, span, 1.0)
        return cls((members - low) / span, low, span)

    @property
    def hypervolume(self) -> float:
        """The hypervolume on this scale."""
        return hypervolume(self.points, REFERENCE_POINT)

    def gain_over(self, objectives: np.ndarray) -> float:
        """Return by how much the hypervolume is larger than that of some other objectives, shape (n, 2)."""
        return self.hypervolume - hypervolume((objectives - self.low) / self.span, REFERENCE_POINT)

    def extended(self, error: float, latency: float) -> Frontier:
        """Return the frontier with one more architecture, on the same scale."""
        points = np.vstack([self.points, (np.array([error, latency]) - self.low) / self.span])
        return replace(self, points=points[frontier(points)])

    def expected_improvement(self, error: np.ndarray, std: np.ndarray, latency: np.ndarray) -> np.ndarray:
        """Return by how much each architecture alone is expected to enlarge the hypervolume, shape (n,).

        Parameters
        ----------
        error, std : ndarray, shape (n,)
            Mean and standard deviation of the error, in percent.
        latency : ndarray, shape (n,)
            In ms.
        """
        error, std, latency = self._scaled(error, std, latency)
        last = REFERENCE_POINT[1]
        begins, ends = np.append(-np.inf, self.points[:, 1]), np.append(self.points[:, 1], last)
        widths = np.maximum(np.minimum(ends, last) - np.maximum(begins, latency[:, None]), 0.0)  # (n, n_steps)
        return (widths * _expected_gain(self._to_beat, error[:, None], std[:, None])).sum(axis=1)

    def improvement_bound(self, error: np.ndarray, std: np.ndarray, latency: np.ndarray) -> np.ndarray:
        """Return a cheap upper bound of :meth:`expected_improvement`, shape (n,).

        At all latencies above an architecture's own, the error to beat is taken to be that at its own, the highest.
        """
        error, std, latency = self._scaled(error, std, latency)
        to_beat = self._to_beat[np.searchsorted(self.points[:, 1], latency, side="right")]
        return np.maximum(REFERENCE_POINT[1] - latency, 0.0) * _expected_gain(to_beat, error, std) * (1 + 1e-9)

    @property
    def _to_beat(self) -> np.ndarray:
        """The error to beat step by step of the latency, shape (n + 1,)."""
        return np.append(REFERENCE_POINT[0], np.minimum(self.points[:, 0], REFERENCE_POINT[0]))

    def _scaled(self, error: np.ndarray, std: np.ndarray, latency: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return error, standard deviation and latency on the scale of the frontier."""
        std = np.maximum(std / self.span[0], 1e-9)
        return (error - self.low[0]) / self.span[0], std, (latency - self.low[1]) / self.span[1]


def best_batch(
    frontiers: Sequence[Frontier],
    error: np.ndarray,
    std: np.ndarray,
    latency: np.ndarray,
    n: int,
    *,
    searched: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """Choose n architectures, each with the largest expected improvement once those before it are measured.

    Parameters
    ----------
    frontiers : sequence of Frontier
        One for each device.
    error, std : ndarray, shape (n_architectures,)
        Mean and standard deviation of the error, in percent.
    latency : ndarray, shape (n_devices, n_architectures)
        In ms.
    n : int
        All are returned where there are fewer.
    searched : ndarray of bool, shape (n_devices, n_architectures), optional
        Which architectures count on which device, all by default; those that count on none come last.

    Returns
    -------
    chosen : ndarray of int
    gain : float
        Sum over the devices of how much the chosen architectures are expected to raise the hypervolume.
    """
    grown = list(frontiers)
    searched = np.ones(latency.shape, dtype=bool) if searched is None else searched
    hopeless = np.asarray(~searched.any(axis=0))
    chosen: list[int] = []

    def gains(improvement: Callable[..., np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Return the improvement of some rows by a method of Frontier; -1 where no device is searched for."""
        parts = zip(grown, searched[:, rows], latency[:, rows], strict=True)
        expected = [counts * improvement(f, error[rows], std[rows], values) for f, counts, values in parts]
        return np.where(hopeless[rows], -1.0, np.sum(expected, axis=0))

    gain, expected = gains(Frontier.improvement_bound, np.arange(len(error))), 0.0
    n_top = min(N_RECOMPUTED, len(error))
    for _ in range(min(n, len(error))):
        others, largest = np.inf, -np.inf
        while largest < others:  # a gain never grows as the frontier does: smaller ones need not be recomputed
            top = np.argpartition(gain, -n_top)[-n_top:]
            others = gain[top].min()
            gain[top] = gains(Frontier.expected_improvement, top)
            gain[chosen] = -np.inf
            largest = gain[top].max()
        best = int(gain.argmax())
        chosen.append(best)
        expected += max(float(gain[best]), 0.0)
        grown = [f.extended(error[best], values[best]) for f, values in zip(grown, latency, strict=True)]
    return np.array(chosen, dtype=int), expected


def expected_share(predictor: Predictor, device: str, choices: np.ndarray, n: int) -> float:
    """Return by what share n more evaluations are expected to raise the hypervolume of a device's measured frontier.

    It is as good as the surrogates: where they are certain and wrong, it is small too.

    Parameters
    ----------
    choices : ndarray of int8, shape (n_architectures, n_choices)
        Candidates; those that were evaluated are left out.
    """
    measured = predictor.measurements.complete(device)
    if not len(measured):
        return float("nan")
    new = without(unique(predictor.space.normal(choices)), measured.choices)
    new = new[predictor.feasible(device, new)]
    front = Frontier.of(measured.objectives(device))
    accuracy, std = predictor.accuracy_surrogate.predict_with_std(predictor.space.features(new), noise=False)
    _, gain = best_batch([front], 100.0 - accuracy, std, predictor.latency_ms(device, new)[None], n)
    return gain / front.hypervolume


def _expected_gain(to_beat: np.ndarray, error: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return by how much a normal error is expected to be below the one to beat, where it is."""
    from scipy.special import ndtr

    ahead = (to_beat - error) / std
    return std * (ahead * ndtr(ahead) + np.exp(-(ahead**2) / 2) / np.sqrt(2 * np.pi))
