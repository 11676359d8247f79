"""Values of networks that were all measured, each on several occasions: nothing has to be predicted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from nagevo.learn.conformal import Residuals


@dataclass(frozen=True)
class RepeatedValues:
    """Values that were measured on several occasions, with a bound for another occasion.

    Attributes
    ----------
    expected : ndarray, shape (n,)
        Geometric mean over the occasions, in the unit of the device; NaN where the network was measured on fewer than
        two of several.
    residuals : Residuals
        Differences between the logarithm of a value and the mean of those on the other occasions, scaled to the
        variance of the difference on a further occasion.
    """

    expected: np.ndarray
    residuals: Residuals

    @classmethod
    def of(cls, values: np.ndarray) -> RepeatedValues:
        """Return the expected values and the bound that follow from some occasions.

        Parameters
        ----------
        values : ndarray, shape (n_occasions, n)
            Positive; NaN where a measurement failed. One occasion is all that a device needs where a second measurement
            gives the same number: a value is its own bound then.

        Examples
        --------
        >>> repeated = RepeatedValues.of(np.array([[1.0, 2.0], [4.0, 2.0]]))
        >>> repeated.expected.tolist(), repeated.residuals.drift(0.5)
        ([2.0, 2.0], 0.0)
        """
        if len(values) == 1:
            return cls(values[0], Residuals(np.empty(0)))
        logs = np.log(values)
        counts = np.isfinite(logs).sum(axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a network that always failed is NaN
            mean = np.nanmean(logs, axis=0)
        mean[counts < 2] = np.nan
        others = (counts * mean - logs) / np.maximum(counts - 1, 1)
        # each of n values varies by σ² (1 + 1 / (n − 1)) about the mean of the others, a new one by σ² (1 + 1 / n)
        residuals = (logs - others) * np.sqrt(np.maximum(counts**2 - 1, 0)) / np.maximum(counts, 1)
        known = np.isfinite(residuals)
        occasions = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
        return cls(np.exp(mean), Residuals.of(residuals[known], occasions[known]))

    @property
    def highest_confidence(self) -> float:
        """The highest confidence that a bound can have: 1 where a second measurement gives the same number."""
        return self.residuals.highest_confidence if len(self.residuals.values) else 1.0

    @property
    def spread(self) -> np.ndarray:
        """Factor of the margin of the residuals for each network, shape (n,)."""
        return np.full(len(self.expected), float(len(self.residuals.values) > 0))
