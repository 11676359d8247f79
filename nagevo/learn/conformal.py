"""One-sided conformal bounds: what holds for a known share of the architectures that are chosen as answers.

Choosing the most accurate of many architectures that seem fast enough favors those that seem faster than they are. A
bound that holds for a share of all architectures is therefore broken more often by answers, and the residuals that
calibrate it have to be those of architectures that were chosen in the same way, among left-out ones, in whose
prediction neither their latencies nor hyperparameters fitted to them had a part.

References
----------
Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in a Random World", chapter 2: the rank of a residual among the
calibration residuals. Barber, Candès, Ramdas, Tibshirani 2021, "Predictive inference with the jackknife+", section 3:
the residuals of folds left out serve, so that no architecture is kept from the fit. Benjamini and Yekutieli 2005,
"False Discovery Rate-Adjusted Multiple Confidence Intervals for Selected Parameters": the share that counts is that of
the selected ones. Jin and Candès 2023, "Selection by Prediction with Conformal p-values": left-out examples stand in
for candidates in the selection itself. Tibshirani, Barber, Candès, Ramdas 2019, "Conformal Prediction Under Covariate
Shift": residuals with weights. The bound combines these ideas; the weights are our own (the chance of being chosen
among a random part of the left-out architectures, see :func:`chosen_weights`). No guarantee is claimed, since
candidates are not exchangeable with what a search measures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

MAX_RESIDUALS = 60
"""Maximum number of residuals that a bound is taken from; fewer where fewer were measured."""

DRIFT_CONFIDENCES = np.linspace(0.5, 0.999, 500)
"""Confidences between which the drift is interpolated, so that answering does not need Student's t distribution."""


@dataclass(frozen=True)
class Residuals:
    """How far the truth lay above the prediction, for architectures that the surrogate was not fitted to.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Ascending; with ``shifts``, each less the shift of its occasion.
    drifts : ndarray, shape (n_drifts,)
        Largest slowdown of the machine on another occasion, at each confidence of :data:`DRIFT_CONFIDENCES`. Empty
        where all was measured at once, or is exact.
    """

    values: np.ndarray
    drifts: np.ndarray = field(default_factory=lambda: np.empty(0))

    @classmethod
    def of(cls, residuals: np.ndarray, occasions: np.ndarray, weights: np.ndarray | None = None) -> Residuals:
        """Return the residuals that a bound is taken from, each less the shift of its occasion, and the drift.

        The shift is the median over the architectures of an occasion that was left out as a whole: how much slower the
        machine was than on the others. Shifts count as normal; there are too few for ranks. Each is the difference of
        an occasion from the mean of the others, which varies as the difference of a new one from the mean of all does,
        so that the drift is Student's t times their deviation.

        Parameters
        ----------
        residuals : ndarray, shape (n_all,)
            Residuals of all architectures.
        occasions : ndarray of int, shape (n_all,)
            When each was measured.
        weights : ndarray, shape (n_all,), optional
            Weight of each residual in the bound, see :func:`chosen_weights`; equal weights by default.
        """
        from scipy.special import stdtrit

        names, occasion = np.unique(occasions, return_inverse=True)
        if len(names) < 2:
            return cls(np.sort(residuals) if weights is None else weighted(residuals, weights))
        shifts = np.array([np.median(residuals[occasion == number]) for number in range(len(names))])
        drifts = stdtrit(len(shifts) - 1, DRIFT_CONFIDENCES) * shifts.std(ddof=1)
        within = residuals - shifts[occasion]
        return cls(np.sort(within) if weights is None else weighted(within, weights), drifts)

    def widened(self, states: np.ndarray) -> Residuals:
        """Return the residuals of the sum of the truth and a state that is drawn independently of it.

        Parameters
        ----------
        states : ndarray, shape (m,)
            As seen, each as likely as any other.
        """
        sums, n = np.add.outer(self.values, states).ravel(), len(self.values)
        return Residuals(np.quantile(sums, np.arange(1, n + 1) / (n + 1)) if n else self.values, self.drifts)

    @property
    def highest_confidence(self) -> float:
        """The highest confidence that the n residuals support, n / (n + 1)."""
        return len(self.values) / (len(self.values) + 1)

    def margin(self, confidence: float) -> float:
        """Return by how much the truth stays below the prediction and this margin, with the given confidence.

        It is the residual of rank ⌈confidence · (n + 1)⌉. A confidence above :attr:`highest_confidence` gets the
        largest residual, which is all that is known; callers that promise a bound compare the two. What another
        occasion may bring comes on top: :meth:`drift`.

        Examples
        --------
        >>> residuals = Residuals(np.array([-1.0, 0.0, 0.5, 2.0]))
        >>> residuals.margin(0.6), residuals.margin(0.8), residuals.margin(0.99), residuals.highest_confidence
        (0.5, 2.0, 2.0, 0.8)
        """
        if not len(self.values):
            return 0.0
        rank = math.ceil(confidence * (len(self.values) + 1) - 1e-9)
        return float(self.values[min(max(rank, 1), len(self.values)) - 1]) + self.drift(confidence)

    def drift(self, confidence: float) -> float:
        """Return by how much the machine is slower on another occasion at most, with the given confidence."""
        return float(np.interp(confidence, DRIFT_CONFIDENCES, self.drifts)) if len(self.drifts) else 0.0


def chosen_weights(objectives: np.ndarray) -> np.ndarray:
    """Return how likely each architecture is to be chosen, in relative terms, shape (n,); at most 1.

    An answer is an architecture that no other candidate dominates, whatever the budget. Among a random sample of the
    architectures, as many as there are and drawn with replacement, one that k others dominate is present without any
    of these with a probability that falls as exp(−k).

    Parameters
    ----------
    objectives : ndarray, shape (n, n_objectives)
        Minimized, as known when answers are chosen; rows with NaN have weight 0.

    Examples
    --------
    >>> chosen_weights(np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [np.nan, 0.0]])).round(3).tolist()
    [1.0, 1.0, 0.135, 0.0]
    """
    dominating = [
        ((objectives <= row).all(axis=1) & (objectives < row).any(axis=1)).sum(dtype=float) for row in objectives
    ]
    return np.where(np.isnan(objectives).any(axis=1), 0.0, np.exp(-np.array(dominating)))


def weighted(residuals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return at most :data:`MAX_RESIDUALS` residuals, ascending, that are distributed as the weighted ones.

    Parameters
    ----------
    residuals, weights : ndarray, shape (n,)
        Only residuals with a positive weight count. Equal weights of few give back all.

    Examples
    --------
    >>> weighted(np.array([3.0, 1.0, 2.0, 9.0]), np.array([1.0, 1.0, 1.0, 0.0])).tolist()
    [1.0, 2.0, 3.0]
    >>> weighted(np.array([3.0, 1.0, 2.0, 9.0]), np.array([0.1, 1.0, 1.0, 2.0])).tolist()
    [1.0, 2.0, 9.0, 9.0]
    """
    counted = np.flatnonzero(weights)
    order = counted[np.argsort(residuals[counted], kind="stable")]
    n = min(MAX_RESIDUALS, len(order))
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, (np.arange(n) + 0.5) / max(n, 1) * weights[order].sum())
    return residuals[order][np.minimum(places, len(order) - 1)]


def near_frontier(objectives: np.ndarray, n: int) -> np.ndarray:
    """Return the rows of the first layers of nondominated ones that together hold at least n.

    Parameters
    ----------
    objectives : ndarray, shape (n_rows, n_objectives)
        Minimized.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> near_frontier(np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 3.0]]), 3).tolist()
    [0, 1, 2]
    """
    import moocore

    layers = moocore.pareto_rank(objectives)
    last = np.sort(layers)[min(n, len(layers)) - 1] if len(layers) else 0
    return np.flatnonzero(layers <= last)
