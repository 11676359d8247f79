"""One-sided conformal bounds: what holds for a known share of the architectures that a surrogate has not seen.

References
----------
Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in a Random World", chapter 2: the rank of a residual among the
calibration residuals. Barber, Candès, Ramdas, Tibshirani 2021, "Predictive inference with the jackknife+", section 3:
the residuals of folds left out serve, so that no architecture is kept from the fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

CALIBRATION = 60
"""Bounds are calibrated on the layers of nondominated architectures that together hold at least so many."""


@dataclass(frozen=True)
class Residuals:
    """How far the truth lay above the prediction, for architectures that the surrogate was not fitted to.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Ascending.
    """

    values: np.ndarray

    @property
    def highest_confidence(self) -> float:
        """The highest confidence that so many residuals support, n / (n + 1)."""
        return len(self.values) / (len(self.values) + 1)

    def margin(self, confidence: float) -> float:
        """Return by how much the truth stays below the prediction and this margin, with the given confidence.

        It is the residual of rank ⌈confidence · (n + 1)⌉. A confidence above :attr:`highest_confidence` gets the
        largest residual, which is all that is known; whoever promises something compares the two.

        Examples
        --------
        >>> residuals = Residuals(np.array([-1.0, 0.0, 0.5, 2.0]))
        >>> residuals.margin(0.6), residuals.margin(0.8), residuals.margin(0.99), residuals.highest_confidence
        (0.5, 2.0, 2.0, 0.8)
        """
        if not len(self.values):
            return 0.0
        rank = math.ceil(confidence * (len(self.values) + 1) - 1e-9)
        return float(self.values[min(max(rank, 1), len(self.values)) - 1])


def near_frontier(objectives: np.ndarray, n: int) -> np.ndarray:
    """Return the rows of the first layers of nondominated ones that together hold at least n.

    Parameters
    ----------
    objectives : ndarray, shape (n_rows, n_objectives)
        Minimized.
    n : int

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
