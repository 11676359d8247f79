"""Gaussian process regression on the features of architectures, in numpy.

References
----------
Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning": algorithm 2.1 (prediction), equation 5.9 (gradient
of the marginal likelihood), equation 5.12 (predictions that leave one out, here in blocks, that leave one fold out).
The kernel is a linear one, for what adds up over an architecture, plus a Matérn 5/2 one, for what does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

START = np.log([0.3, 0.5, 0.7, 0.05])
"""Where the fit starts, and the center of its prior: variance of the linear part, variance and length of the Matérn
part, and variance of the noise, for a standardized target and features of mean squared norm 1."""

PRIOR_SPREAD = np.array([2.0, 2.0, 1.0, 2.0])
BOUNDS = [(-9.0, 4.0), (-9.0, 4.0), (-3.0, 4.0), (-9.0, 2.0)]
JITTER = 1e-6
MAX_STEPS = 60


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted Gaussian process.

    Attributes
    ----------
    center, spread : ndarray, shape (n_features,)
        Features are reduced by the one and divided by the other.
    points : ndarray, shape (n, n_features)
        Scaled features it was fitted to.
    weights : ndarray, shape (n,)
        Of the kernel with each point.
    whitener : ndarray, shape (n, n)
        Inverse of the Cholesky factor of the kernel matrix.
    hyperparameters : ndarray, shape (4,)
        Logarithms, in the order of :data:`START`.
    target_center, target_spread : float
    """

    center: np.ndarray
    spread: np.ndarray
    points: np.ndarray
    weights: np.ndarray
    whitener: np.ndarray
    hyperparameters: np.ndarray
    target_center: float
    target_spread: float

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays, from which :meth:`from_arrays` makes it again."""
        return {name: np.atleast_1d(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> GaussianProcess:
        """Return what :meth:`arrays` was taken of."""
        scalars = {name: float(arrays[name][0]) for name in ("target_center", "target_spread")}
        return cls(**{**arrays, **scalars})

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the mean at each row, shape (n_rows,)."""
        return self.target_center + self.target_spread * (self._kernel(self._scaled(features)) @ self.weights)

    def predict_with_std(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation, the noise of a measurement included, both of shape (n_rows,)."""
        scaled = self._scaled(features)
        kernel = self._kernel(scaled)
        linear, matern, _, noise = np.exp(self.hyperparameters)
        prior = linear * (scaled**2).sum(axis=1) + matern
        explained = ((kernel @ self.whitener.T) ** 2).sum(axis=1)
        std = np.sqrt(np.maximum(prior - explained, 0.0) + noise + JITTER)
        return self.target_center + self.target_spread * (kernel @ self.weights), self.target_spread * std

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        return (features - self.center) / self.spread

    def _kernel(self, scaled: np.ndarray) -> np.ndarray:
        """Return the kernel of each row with each point, shape (n_rows, n)."""
        products = scaled @ self.points.T
        distances = (scaled**2).sum(axis=1)[:, None] + (self.points**2).sum(axis=1) - 2 * products
        linear, matern, length, _ = np.exp(self.hyperparameters)
        return linear * products + matern * _matern(np.maximum(distances, 0.0) / length**2)


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
    from scipy.linalg import solve_triangular

    center, spread = _feature_scale(features)
    points = (features - center) / spread
    target_center, target_spread = float(target.mean()), float(target.std()) or 1.0
    standardized = (target - target_center) / target_spread
    hyperparameters = _most_probable(points, standardized)
    factor = np.linalg.cholesky(_kernel_matrix(_products(points), hyperparameters))
    whitener = solve_triangular(factor, np.eye(len(points)), lower=True)
    precision = whitener.T @ whitener
    weights = precision @ standardized
    process = GaussianProcess(center, spread, points, weights, whitener, hyperparameters, target_center, target_spread)
    residual, variance = np.empty(len(points)), np.empty(len(points))
    for fold in folds:
        covariance = np.linalg.inv(precision[np.ix_(fold, fold)])
        residual[fold], variance[fold] = covariance @ weights[fold], np.diag(covariance)
    return Fitted(process, target - target_spread * residual, target_spread * np.sqrt(np.maximum(variance, 0.0)))


def _feature_scale(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return center and spread of each feature, so that the mean squared norm of the scaled rows is 1.

    Columns of 0 and 1 keep their unit and others are divided by two standard deviations, so that both weigh alike.
    Constant columns vanish: what was never seen to vary says nothing.
    """
    features = features.astype(float)
    center, deviation = features.mean(axis=0), features.std(axis=0)
    binary = ((features == 0) | (features == 1)).all(axis=0)
    spread = np.where(binary, 1.0, 2 * deviation)
    norm = np.sqrt(((deviation[deviation > 0] / spread[deviation > 0]) ** 2).sum()) or 1.0
    return center, np.where(deviation > 0, spread * norm, np.inf)


def _most_probable(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the logarithms of the hyperparameters of the largest posterior density."""
    from scipy.optimize import minimize

    products = _products(points)
    options = {"maxiter": MAX_STEPS}
    found = minimize(_loss, START, (products, target), jac=True, method="L-BFGS-B", bounds=BOUNDS, options=options)
    return found.x


def _loss(hyperparameters: np.ndarray, products: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the negative logarithm of the posterior density, and its gradient."""
    from scipy.linalg import cho_solve

    linear, matern, length, noise = np.exp(hyperparameters)
    scaled = _distances(products) / length**2
    parts = linear * products, matern * _matern(scaled)
    identity = np.eye(len(target))
    factor = np.linalg.cholesky(parts[0] + parts[1] + (noise + JITTER) * identity)
    precision = cho_solve((factor, True), identity)
    weights = precision @ target
    # d loss / d parameter = trace((precision − weights weightsᵀ) · d kernel / d parameter) / 2
    sensitivity = precision - np.outer(weights, weights)
    slopes = *parts, matern * _matern_slope(scaled)
    gradient = [*((sensitivity * slope).sum() for slope in slopes), noise * np.trace(sensitivity)]
    deviation = (hyperparameters - START) / PRIOR_SPREAD
    loss = 0.5 * target @ weights + np.log(np.diag(factor)).sum() + 0.5 * deviation @ deviation
    return loss, 0.5 * np.array(gradient) + deviation / PRIOR_SPREAD


def _products(points: np.ndarray) -> np.ndarray:
    return points @ points.T


def _distances(products: np.ndarray) -> np.ndarray:
    """Return squared distances, shape (n, n), from inner products."""
    squares = np.diag(products)
    return np.maximum(squares[:, None] + squares - 2 * products, 0.0)


def _kernel_matrix(products: np.ndarray, hyperparameters: np.ndarray) -> np.ndarray:
    """Return the covariance of measurements at the points, noise included, shape (n, n)."""
    linear, matern, length, noise = np.exp(hyperparameters)
    kernel = linear * products + matern * _matern(_distances(products) / length**2)
    return kernel + (noise + JITTER) * np.eye(len(products))


def _matern(squared: np.ndarray) -> np.ndarray:
    """Return the Matérn 5/2 correlation at squared distances in units of its length."""
    root = np.sqrt(5 * squared)
    return (1 + root + root**2 / 3) * np.exp(-root)


def _matern_slope(squared: np.ndarray) -> np.ndarray:
    """Return its derivative by the logarithm of the length."""
    root = np.sqrt(5 * squared)
    return root**2 * (1 + root) / 3 * np.exp(-root)
