"""Gaussian process regression on the features of architectures, in numpy.

References
----------
Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning": algorithm 2.1 (prediction), equation 4.17 (Matérn
5/2), section 5.1 (a length for each feature finds out which matter), equation 5.9 (gradient of the marginal
likelihood), equation 5.12 (predictions that leave one out, here in blocks, that leave one fold out).
Hvarfner, Hellsten, Nardi 2024, "Vanilla Bayesian Optimization Performs Great in High Dimensions": a prior on the
lengths that expects smooth functions. Here lengths are in units of the spread of all features together, and a linear
part carries what adds up over an architecture beyond what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LINEAR, VARIANCE, NOISE, LENGTHS = 0, 1, 2, slice(3, None)
"""Places of the hyperparameters, all as logarithms: variance of the linear part, of the other part and of the noise of
a standardized target, and the length over which the other part changes along each feature."""

EXPECTED = {"linear": 0.3, "variance": 1.0, "noise": 0.05, "length": 4.0}
SPREAD = {"linear": 2.0, "variance": 2.0, "noise": 2.0, "length": 1.0}
"""Centers of the normal prior of the hyperparameters, and the standard deviations of their logarithms."""

RANGE = {"linear": (-9.0, 5.0), "variance": (-5.0, 5.0), "noise": (-9.0, 2.0), "length": (-3.0, 6.0)}
JITTER = 1e-6
MAX_STEPS = 50
ROWS_AT_ONCE = 512
MOST_FITTED = 400
"""Hyperparameters are fitted to so many rows at most."""


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted Gaussian process.

    Attributes
    ----------
    center, spread : ndarray, shape (n_features,)
        Features are reduced by the one and divided by the other.
    lengths : ndarray, shape (n_features,)
        Of the scaled features.
    points : ndarray, shape (n, n_features)
        Scaled features it was fitted to.
    weights : ndarray, shape (n,)
        Of the kernel with each point.
    whitener : ndarray, shape (n, n)
        Inverse of the Cholesky factor of the kernel matrix.
    linear, variance, noise : float
        Of a standardized target.
    target_center, target_spread : float
    """

    center: np.ndarray
    spread: np.ndarray
    lengths: np.ndarray
    points: np.ndarray
    weights: np.ndarray
    whitener: np.ndarray
    linear: float
    variance: float
    noise: float
    target_center: float
    target_spread: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the mean at each row, shape (n_rows,)."""
        slopes = self.linear * (self.weights @ self.points)
        mean = []
        for part in _parts(features):
            scaled = self.scaled(part)
            mean.append(scaled @ slopes + self._near(scaled) @ self.weights)
        return self.target_center + self.target_spread * np.concatenate(mean)

    def predict_with_std(self, features: np.ndarray, *, noise: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of a measurement at each row, or of the function without its noise."""
        mean, explained, prior = [], [], []
        for part in _parts(features):
            kernel = self._kernel(part)
            mean.append(kernel @ self.weights)
            explained.append(((kernel @ self.whitener.T) ** 2).sum(axis=1))
            prior.append(self.variance + self.linear * (self.scaled(part) ** 2).sum(axis=1))
        left = np.maximum(np.concatenate(prior) - np.concatenate(explained), 0.0)
        std = np.sqrt(left + noise * self.noise)
        return self.target_center + self.target_spread * np.concatenate(mean), self.target_spread * std

    def scaled(self, features: np.ndarray) -> np.ndarray:
        """Return the features as the points are scaled."""
        return (features - self.center) / self.spread

    def _kernel(self, features: np.ndarray) -> np.ndarray:
        """Return the kernel of each row with each point, shape (n_rows, n)."""
        scaled = self.scaled(features)
        return self.linear * (scaled @ self.points.T) + self._near(scaled)

    def _near(self, scaled: np.ndarray) -> np.ndarray:
        """Return the part of the kernel that ends with distance, for scaled features."""
        return self.variance * correlation(scaled / self.lengths, self.points / self.lengths)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, from which :meth:`from_arrays` makes it again."""
        return {name: np.atleast_1d(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> GaussianProcess:
        """Return what :meth:`arrays` was taken of."""
        scalars = ("linear", "variance", "noise", "target_center", "target_spread")
        return cls(**{name: float(array[0]) if name in scalars else array for name, array in arrays.items()})


@dataclass(frozen=True)
class Fitted:
    """A Gaussian process, and what it predicts of each fold when fitted to the others.

    Attributes
    ----------
    process : GaussianProcess
    out_of_fold, out_of_fold_std : ndarray, shape (n,)
        With the hyperparameters of all rows.
    """

    process: GaussianProcess
    out_of_fold: np.ndarray
    out_of_fold_std: np.ndarray


def fit(features: np.ndarray, target: np.ndarray, folds: Sequence[np.ndarray]) -> Fitted:
    """Return the Gaussian process with the most probable hyperparameters.

    Parameters
    ----------
    features : ndarray, shape (n, n_features)
    target : ndarray, shape (n,)
    folds : sequence of ndarray of int
        Row numbers of each fold; they cover the rows.
    """
    center, spread = feature_scale(features)
    points = (features - center) / spread
    target_center, target_spread = float(target.mean()), float(target.std()) or 1.0
    standardized = (target - target_center) / target_spread
    every = -(-len(points) // MOST_FITTED)
    hyperparameters = np.exp(_most_probable(points[::every], standardized[::every]))
    linear, variance, noise = hyperparameters[:3].tolist()
    noise, lengths = noise + JITTER, hyperparameters[LENGTHS]
    near = correlation(points / lengths, points / lengths)
    kernel = linear * points @ points.T + variance * near + noise * np.eye(len(points))
    whitener = _inverse_of_lower(np.linalg.cholesky(kernel))
    precision = whitener.T @ whitener
    weights = precision @ standardized
    residual, deviation = np.empty(len(points)), np.empty(len(points))
    for fold in folds:
        covariance = np.linalg.inv(precision[np.ix_(fold, fold)])
        residual[fold], deviation[fold] = covariance @ weights[fold], np.sqrt(np.diag(covariance))
    process = GaussianProcess(
        center, spread, lengths, points, weights, whitener, linear, variance, noise, target_center, target_spread
    )
    return Fitted(process, target - target_spread * residual, target_spread * deviation)


def feature_scale(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return center and spread of each feature, so that the mean squared norm of the scaled rows is 1.

    Columns of 0 and 1 keep their unit and others are divided by two standard deviations, so that both weigh alike.
    Constant columns vanish: what was never seen to vary says nothing.
    """
    features = features.astype(float)
    center, deviation = features.mean(axis=0), features.std(axis=0)
    binary = ((features == 0) | (features == 1)).all(axis=0)
    spread = np.where(binary, 1.0, 2 * deviation)
    varies = deviation > 0
    norm = np.sqrt(((deviation[varies] / spread[varies]) ** 2).sum()) or 1.0
    return center, np.where(varies, spread * norm, np.inf)


def _most_probable(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the logarithms of the hyperparameters of the largest posterior density."""
    from scipy.optimize import minimize

    varying = np.flatnonzero(np.ptp(points, axis=0))
    names = ["linear", "variance", "noise"] + ["length"] * len(varying)
    expected = np.log([EXPECTED[name] for name in names])
    spread = np.array([SPREAD[name] for name in names])
    found = minimize(
        _loss,
        expected,
        (points[:, varying], target, expected, spread),
        jac=True,
        method="L-BFGS-B",
        bounds=[RANGE[name] for name in names],
        options={"maxiter": MAX_STEPS},
    )
    hyperparameters = np.zeros(LENGTHS.start + points.shape[1])
    hyperparameters[[LINEAR, VARIANCE, NOISE, *(LENGTHS.start + varying)]] = found.x
    return hyperparameters


def _loss(
    hyperparameters: np.ndarray, points: np.ndarray, target: np.ndarray, expected: np.ndarray, spread: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the negative logarithm of the posterior density, and its gradient."""
    linear, variance, noise = np.exp(hyperparameters[[LINEAR, VARIANCE, NOISE]])
    products = linear * points @ points.T
    scaled = points / np.exp(hyperparameters[LENGTHS])
    squared = _distances(scaled, scaled)
    kernel = variance * _matern(squared)
    factor = np.linalg.cholesky(products + kernel + (noise + JITTER) * np.eye(len(target)))
    whitener = _inverse_of_lower(factor)
    precision = whitener.T @ whitener
    weights = precision @ target
    # d loss / d parameter = trace((precision − weights weightsᵀ) · d kernel / d parameter) / 2
    sensitivity = precision - np.outer(weights, weights)
    by_distance = sensitivity * variance * _matern_slope(squared)
    # the squared distance changes with a length as −2 (difference along the feature)²; summed over all pairs:
    by_length = -4 * (by_distance.sum(axis=1) @ scaled**2 - ((by_distance @ scaled) * scaled).sum(axis=0))
    by_variance = [(sensitivity * part).sum() for part in (products, kernel)]
    slopes = np.concatenate([by_variance, [noise * np.trace(sensitivity)], by_length])
    deviation = (hyperparameters - expected) / spread
    loss = 0.5 * target @ weights + np.log(np.diag(factor)).sum() + 0.5 * deviation @ deviation
    return loss, 0.5 * slopes + deviation / spread


def _parts(features: np.ndarray) -> list[np.ndarray]:
    """Return the rows in parts whose kernels fit the processor's cache."""
    return np.array_split(features, max(1, -(-len(features) // ROWS_AT_ONCE)))


def _inverse_of_lower(factor: np.ndarray) -> np.ndarray:
    from scipy.linalg.lapack import dtrtri

    return dtrtri(factor, lower=True)[0]


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the Matérn 5/2 correlation of each row of the one with each of the other, over a length of 1."""
    return _matern(_distances(first, second))


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the squared distance of each row of the one to each of the other."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.maximum(squares - 2 * first @ second.T, 0.0)


def _matern(squared: np.ndarray) -> np.ndarray:
    """Return the Matérn 5/2 correlation at squared distances."""
    root = np.sqrt(5 * squared)
    return (1 + root + root**2 / 3) * np.exp(-root)


def _matern_slope(squared: np.ndarray) -> np.ndarray:
    """Return its derivative by the squared distance."""
    root = np.sqrt(5 * squared)
    return -5 / 6 * (1 + root) * np.exp(-root)
