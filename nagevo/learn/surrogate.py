"""Surrogates: a learned mix of Gaussian processes and boosted trees, with its uncertainty.

References
----------
Wolpert 1992, "Stacked generalization": the shares of the mix are those whose cross-validated predictions come nearest
to the measured values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nagevo.learn.conformal import Residuals
from nagevo.learn.regression import ProcessRegression
from nagevo.learn.trees import BoostedTrees

Regression = ProcessRegression | BoostedTrees

LATENCY_FLOOR = 0.1
"""Smallest latency that is predicted, as a share of the smallest measured one."""


@dataclass(frozen=True)
class LogOf:
    """The logarithm of what a regression predicts.

    Attributes
    ----------
    floor : float
        Smaller predictions are raised to it.
    """

    regression: Regression
    floor: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the logarithm of the prediction of each row, shape (n,)."""
        return np.log(np.maximum(self.regression.predict(features), self.floor))


Member = ProcessRegression | BoostedTrees | LogOf


def mixed(shares: np.ndarray, members: Sequence[Member], features: np.ndarray) -> np.ndarray:
    """Return the mean of the members' predictions, weighted by their shares, shape (n,)."""
    parts = (share * member.predict(features) for share, member in zip(shares, members, strict=True))
    return sum(parts, start=np.zeros(len(features)))


def std_shares(members: Sequence[Member], shares: np.ndarray) -> np.ndarray:
    """Return the weight of each member's standard deviation in that of the mix, shape (n_members,).

    Gaussian processes know how far away measurements are, and trees hardly do. Where there are processes they count by
    their shares, or alike if they have none.
    """
    processes = np.array([isinstance(member, ProcessRegression) for member in members])
    counted = processes if processes.any() else ~processes
    weights = np.where(counted, shares, 0.0) if shares[counted].any() else counted.astype(float)
    return weights / weights.sum()


@dataclass(frozen=True)
class ErrorScale:
    """The scale on which accuracies are predicted: percent, or minus the logarithm of how far they are below a ceiling.

    Where errors spread over orders of magnitude, the logarithm stretches the differences among the
    best, which decide the frontier, and shrinks those among the worst. Where they add up over the choices of an
    architecture, percent are better.

    Attributes
    ----------
    ceiling : float or None
        In percent, above all accuracies; None for percent.
    """

    ceiling: float | None = None

    @classmethod
    def of(cls, accuracy: np.ndarray) -> ErrorScale:
        """Return the logarithmic scale: the ceiling is above the best accuracy by half of its lead over the median.

        >>> ErrorScale.of(np.array([10.0, 60.0, 70.0]))
        ErrorScale(ceiling=75.0)
        """
        best = float(accuracy.max())
        return cls(best + max(0.5 * (best - float(np.median(accuracy))), 1e-3))

    def transformed(self, accuracy: np.ndarray) -> np.ndarray:
        """Return accuracies on the scale."""
        return accuracy if self.ceiling is None else -np.log(self.ceiling - accuracy)

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Return values on the scale as accuracies."""
        return values if self.ceiling is None else self.ceiling - np.exp(-values)

    def slope(self, accuracy: np.ndarray) -> np.ndarray:
        """Return by how many points accuracies change with the value on the scale, shape (n,)."""
        return np.ones(len(accuracy)) if self.ceiling is None else self.ceiling - accuracy


@dataclass(frozen=True)
class AccuracySurrogate:
    """A cheap predictor of accuracy, in percent.

    Attributes
    ----------
    scale : ErrorScale
        Scale of the members' targets; predictions are restored from it.
    shares : ndarray, shape (n_members,)
        Weights of the members in the mix.
    std_factor : float
        Factor of the standard deviation of the members that fits the residuals of the mix: see :func:`std_shares`.
    left_out : ndarray, shape (2, n)
        Measured accuracies, and the cross-validated predictions of the mix.
    prior : AccuracySurrogate or None
        Fitted to an earlier search: its prediction, on its own scale, is one more feature of the members.
    """

    scale: ErrorScale
    members: tuple[Regression, ...]
    shares: np.ndarray
    std_factor: float
    left_out: np.ndarray
    prior: AccuracySurrogate | None = None

    def scaled(self, features: np.ndarray) -> np.ndarray:
        """Return the prediction for each row of features on the scale of the members, shape (n,)."""
        return mixed(self.shares, self.members, self._inputs(features))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted accuracy of each row of features, shape (n,)."""
        return self.scale.restored(self.scaled(features))

    def _inputs(self, features: np.ndarray) -> np.ndarray:
        """Return the features of the members, shape (n, n_features), or with a prior (n, n_features + 1)."""
        return features if self.prior is None else np.column_stack([features, self.prior.scaled(features)])

    def predict_with_std(self, features: np.ndarray, *, noise: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions and their standard deviations, both of shape (n,).

        With noise it is the deviation of a measurement, without it the part that further measurements can reduce.
        """
        weights, features = std_shares(self.members, self.shares), self._inputs(features)
        mean, std = np.zeros(len(features)), np.zeros(len(features))
        for member, share, weight in zip(self.members, self.shares, weights, strict=True):
            if weight:
                predicted, deviation = member.predict_with_std(features, noise=noise)
                mean, std = mean + share * predicted, std + weight * deviation
            else:
                mean = mean + share * member.predict(features)
        accuracy = self.scale.restored(mean)
        return accuracy, self.std_factor * std * self.scale.slope(accuracy)

    def lower_bound(self, features: np.ndarray) -> np.ndarray:
        """Return the predictions less one standard deviation, shape (n,)."""
        mean, std = self.predict_with_std(features)
        return mean - std


@dataclass(frozen=True)
class LatencySurrogate:
    """A cheap predictor of the latency on one device, in ms, with a bound.

    Attributes
    ----------
    members : tuple of ProcessRegression, BoostedTrees or LogOf
        Models of the logarithm of the latency.
    shares : ndarray, shape (n_members,)
        Weights of the members in the mix.
    floor_ms : float
        Smallest latency that is predicted.
    residuals : Residuals
        Logarithms of the ratio of truth and cross-validated prediction, of architectures chosen as answers are.
    left_out : ndarray, shape (2, n)
        Measured latencies, and the cross-validated predictions of the mix, in ms.
    fitted : ndarray of uint64, shape (n,)
        Hashes of the features of these architectures: see :func:`row_hashes`.
    """

    members: tuple[Member, ...]
    shares: np.ndarray
    floor_ms: float
    residuals: Residuals
    left_out: np.ndarray
    fitted: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the predicted latency of each row of features, shape (n,)."""
        return np.maximum(np.exp(mixed(self.shares, self.members, features)), self.floor_ms)

    @property
    def highest_confidence(self) -> float:
        """The highest confidence that the residuals support."""
        return self.residuals.highest_confidence

    def predict_unseen(self, features: np.ndarray) -> np.ndarray:
        """Return the latency of each row as predicted without its own measurement, shape (n,)."""
        row_of = {key: row for row, key in enumerate(self.fitted.tolist())}
        rows = np.array([row_of.get(key, -1) for key in row_hashes(features).tolist()], dtype=int)
        return np.where(rows < 0, self.predict(features), self.left_out[1][rows])

    def margin(self, confidence: float) -> float:
        """Return the factor of the prediction that the latency stays below with the given confidence.

        A confidence above ``residuals.highest_confidence`` cannot be supported by so few residuals: it gets the
        factor of the largest one.
        """
        return float(np.exp(self.residuals.margin(confidence)))

    def predict_with_spread(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions in ms, and the factor of the logarithmic margin of each, both of shape (n,)."""
        predicted = self.predict(features)
        return predicted, np.ones(len(predicted))

    def bound(self, features: np.ndarray, confidence: float) -> np.ndarray:
        """Return the latency that each row stays below with the given confidence, shape (n,), in ms."""
        return self.predict(features) * self.margin(confidence)


def row_hashes(features: np.ndarray) -> np.ndarray:
    """Return a hash of each row of features as 32-bit floats, uint64, shape (n,)."""
    from hashlib import blake2b

    rows = np.ascontiguousarray(features, dtype=np.float32)
    return np.frombuffer(b"".join(blake2b(row, digest_size=8).digest() for row in rows), dtype=np.uint64)
