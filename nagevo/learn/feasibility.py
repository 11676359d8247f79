"""Which architectures a device can measure at all, learned from those that failed."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nagevo.measure.measurements import Measurements
from nagevo.measure.status import ACCURACY
from nagevo.spaces.base import SearchSpace, row_keys

MIN_OF_EACH = 3
"""Minimum number of failures, and of successes, for a classifier to be fitted."""
PENALTY, COST_PENALTY = 0.1, 0.00025
"""Penalties on the squared weights of standardized features, and of the logarithms of costs: most failures are a
matter of size."""
ITERATIONS = 50


class Feasibility:
    """Tells which architectures can be measured on each device, and whose accuracy can be read.

    An architecture that failed, and every one that means the same network, is infeasible; one that was measured is
    feasible. All others are judged by a classifier if at least :data:`MIN_OF_EACH` failed and as many did not;
    otherwise they count as feasible.
    """

    def __init__(self, space: SearchSpace, measurements: Measurements):
        self.space, self.measurements = space, measurements
        self._classifiers: dict[str, LogisticRegression | None] = {}

    def probability(self, name: str, choices: np.ndarray) -> np.ndarray:
        """Return the probability that each architecture can be measured, shape (n,).

        Parameters
        ----------
        name : str
            A device, or :data:`nagevo.measure.measurements.ACCURACY`.
        choices : ndarray of int8, shape (n, n_choices)
        """
        result = np.ones(len(choices))
        if name not in self.measurements.failures or not self.measurements.failed(name).any():
            return result
        classifier = self._classifier(name)
        if classifier is not None:
            result = 1.0 - classifier.probability(self._described(choices)[0])
        keys = row_keys(self.space.canonical(choices)).tolist()
        known = self._outcomes(name)
        return np.array([known.get(key, value) for key, value in zip(keys, result.tolist(), strict=True)])

    def feasible(self, device: str, choices: np.ndarray) -> np.ndarray:
        """Return which can probably be measured on a device, and their accuracy read; bool, shape (n,)."""
        return (self.probability(device, choices) >= 0.5) & (self.probability(ACCURACY, choices) >= 0.5)

    def _outcomes(self, name: str) -> dict[bytes, float]:
        """Return 0 for each network that failed and 1 for each other one that was measured, by its key."""
        succeeded = np.isfinite(self._values(name))
        failed = self.measurements.failed(name)
        return dict.fromkeys(self._keys[succeeded], 1.0) | dict.fromkeys(self._keys[failed], 0.0)

    def _values(self, name: str) -> np.ndarray:
        return self.measurements.accuracy if name == ACCURACY else self.measurements.values[name]

    @cached_property
    def _keys(self) -> np.ndarray:
        return np.array(row_keys(self.space.canonical(self.measurements.choices)).tolist(), dtype=object)

    def _described(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the classifier sees, shape (n, n_features), and the penalty of each feature."""
        features, costs = self.space.features(choices), self.space.costs(choices).values()
        penalty = np.repeat([PENALTY, COST_PENALTY], [features.shape[1], len(costs)])
        return np.column_stack([features, *(np.log1p(cost) for cost in costs)]), penalty

    def _classifier(self, name: str) -> LogisticRegression | None:
        """Return the classifier of failures, fitted when first needed; None where too few are known."""
        if name not in self._classifiers:
            failed = self.measurements.failed(name)
            tried = failed | np.isfinite(self._values(name))
            enough = min(failed.sum(), (tried & ~failed).sum()) >= MIN_OF_EACH
            self._classifiers[name] = None
            if enough:
                features, penalty = self._described(self.measurements.choices[tried])
                self._classifiers[name] = LogisticRegression.fit(features, failed[tried], penalty)
        return self._classifiers[name]


class LogisticRegression:
    """A linear classifier with a penalty on its weights.

    Parameters
    ----------
    mean, scale : ndarray, shape (n_features,)
        By which features are standardized.
    weights : ndarray, shape (n_features + 1,)
        The last is the intercept.
    """

    def __init__(self, mean: np.ndarray, scale: np.ndarray, weights: np.ndarray):
        self.mean, self.scale, self.weights = mean, scale, weights

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray, penalty: np.ndarray) -> LogisticRegression:
        """Return the classifier with the largest penalized likelihood, by Newton's method.

        Parameters
        ----------
        features : ndarray, shape (n, n_features)
        labels : ndarray of bool, shape (n,)
        penalty : ndarray, shape (n_features,)
        """
        features = np.asarray(features, dtype=float)
        mean, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        design = np.column_stack([(features - mean) / scale, np.ones(len(features))])
        penalty = np.append(penalty, 1e-6)  # the intercept is free

        def loss(weights: np.ndarray) -> float:
            score = design @ weights
            return float((np.logaddexp(0.0, score) - labels * score).sum() + 0.5 * penalty @ weights**2)

        weights = np.zeros(design.shape[1])
        for _ in range(ITERATIONS):
            probability = _sigmoid(design @ weights)
            gradient = design.T @ (probability - labels) + penalty * weights
            curvature = (design.T * (probability * (1.0 - probability))) @ design + np.diag(penalty)
            step = np.linalg.solve(curvature, gradient)
            length = next((size for size in 0.5 ** np.arange(20) if loss(weights - size * step) < loss(weights)), 0.0)
            if length == 0.0:
                break
            weights = weights - length * step
        return cls(mean, scale, weights)

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of the label, shape (n,)."""
        return _sigmoid((features - self.mean) / self.scale @ self.weights[:-1] + self.weights[-1])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -500.0, 500.0)))
