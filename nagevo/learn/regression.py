"""Gaussian process regression of a quantity on the features of architectures.

References
----------
Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning", section 5.1 (a length for each feature finds out
which matter), equation 5.9 (gradient of the marginal likelihood). Hvarfner, Hellsten, Nardi 2024, "Vanilla Bayesian
Optimization Performs Great in High Dimensions": a prior on the lengths that expects smooth functions. Here lengths are
in units of the spread of all features together, and a linear part carries what adds up over an architecture beyond the
measured ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from nagevo.learn.gaussian import (
    JITTER,
    GaussianProcess,
    Kernel,
    distances,
    in_parts,
    inverse_of_lower,
    matern_and_slope,
)

LINEAR, VARIANCE, NOISE, LENGTHS = 0, 1, 2, slice(3, None)
"""Positions of the hyperparameters, all as logarithms: variance of the linear part, of the smooth part and of the noise
of a standardized target, and the length of the smooth part along each feature."""

EXPECTED = {"linear": 0.3, "variance": 1.0, "noise": 0.05, "length": 4.0}
SPREAD = {"linear": 2.0, "variance": 2.0, "noise": 2.0, "length": 1.0}
"""Centers of the normal prior of the hyperparameters, and the standard deviations of their logarithms."""

PAIRS_EXPECTED = (0.5, 0.3, 0.3, 0.05)
PAIRS_SPREAD = 2.0
"""The same for the variances of the linear parts of choices and costs, of the pairs and of the noise."""

RANGE = {"linear": (-9.0, 5.0), "variance": (-5.0, 5.0), "noise": (-9.0, 2.0), "length": (-3.0, 6.0)}
MAX_STEPS = 50
MAX_FITTED_ROWS = 400
"""Maximum number of rows that hyperparameters are fitted to."""


@dataclass(frozen=True)
class ProcessRegression:
    """A Gaussian process of a standardized target over scaled features.

    Attributes
    ----------
    center, spread : ndarray, shape (n_features,)
        Subtracted from the features, and what they are divided by then.
    noise : float
        Variance of the noise of a standardized target; the mean one, where each row has its own.
    """

    process: GaussianProcess
    center: np.ndarray
    spread: np.ndarray
    noise: float
    target_center: float
    target_spread: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the mean at each row, shape (n_rows,)."""
        mean = in_parts(lambda part: self.process.mean(self.scaled(part)), features)
        return self.target_center + self.target_spread * mean

    def predict_with_std(self, features: np.ndarray, *, noise: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean at each row, and the standard deviation of a measurement there or of the function itself.

        Parameters
        ----------
        features : ndarray, shape (n_rows, n_features)
        noise : bool
            Whether the deviation is that of a measurement, with its noise.
        """
        mean, variance = in_parts(lambda part: self.process.mean_and_variance(self.scaled(part)), features)
        std = np.sqrt(variance + noise * self.noise)
        return self.target_center + self.target_spread * mean, self.target_spread * std

    def scaled(self, features: np.ndarray) -> np.ndarray:
        """Return features on the scale of the points of the process."""
        return (features - self.center) / self.spread


MAX_GROUPS = 5
"""Maximum number of groups of folds that hyperparameters are fitted without."""

Fit = tuple[ProcessRegression, np.ndarray, np.ndarray]
"""A regression, and cross-validated predictions with their standard deviations, both of shape (n,). Each is of the
process without the row's fold, with the hyperparameters of all rows or of those of other folds."""


def fit_smooth(
    features: np.ndarray,
    target: np.ndarray,
    folds: Sequence[np.ndarray],
    known_noise: np.ndarray | float = 0.0,
    *,
    refit: bool = False,
    n_prior: int = 0,
) -> Fit:
    """Return a process with a linear and a smooth part, in which each feature has a length of its own.

    Parameters
    ----------
    features : ndarray, shape (n, n_features)
    target : ndarray, shape (n,)
    folds : sequence of ndarray of int
        Row numbers of each fold; they cover the rows.
    known_noise : ndarray, shape (n,), or float
        Variance of each row's noise as far as it is known; the rest of it is learned.
    refit : bool
        Whether the cross-validated predictions use hyperparameters in which the row's fold had no part either. A bound
        needs it: with those of all rows, residuals are smaller than for architectures that were not measured.
    n_prior : int
        Number of last features each of which weighs as much as all others together, such as a prior's prediction.
    """
    scale = _with_prior(feature_scale(_others(features, n_prior)), features, n_prior)
    return _fit(features, target, folds, known_noise, scale, _smooth_kernel, refit)


def fit_pairs(
    features: np.ndarray,
    target: np.ndarray,
    folds: Sequence[np.ndarray],
    known_noise: np.ndarray | float = 0.0,
    *,
    refit: bool = False,
    n_prior: int = 0,
) -> Fit:
    """Return a process with linear parts of choices and of costs, and a part of the products of all pairs of choices.

    Features that are 0 or 1 are taken for choices and all others for costs. There are only four hyperparameters, so
    that interactions can be learned from few measurements of a space with many choices.

    Parameters
    ----------
    features, target, folds, known_noise, refit, n_prior
        As of :func:`fit_smooth`.
    """
    others = _others(features, n_prior)
    choices = is_binary(others)
    (center, of_choices), (_, of_costs) = (_normalized(others, columns) for columns in (choices, ~choices))
    scale = _with_prior((center, np.where(choices, of_choices, of_costs)), features, n_prior)
    kernel = partial(_pairs_kernel, np.append(choices, np.zeros(n_prior, dtype=bool)))
    return _fit(features, target, folds, known_noise, scale, kernel, refit)


def _others(features: np.ndarray, n_prior: int) -> np.ndarray:
    """Return all features but some last ones."""
    return features[:, : features.shape[1] - n_prior]


def _with_prior(
    scale: tuple[np.ndarray, np.ndarray], features: np.ndarray, n_prior: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a scale of the other features, extended by the last ones, which it scales to a variance of 1 each."""
    last = features[:, features.shape[1] - n_prior :].astype(float)
    deviation = last.std(axis=0)
    spread = np.where(deviation > 0, deviation, np.inf)
    return np.append(scale[0], last.mean(axis=0)), np.append(scale[1], spread)


def _fit(
    features: np.ndarray,
    target: np.ndarray,
    folds: Sequence[np.ndarray],
    known_noise: np.ndarray | float,
    scale: tuple[np.ndarray, np.ndarray],
    most_probable: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[Kernel, float]],
    refit: bool,
) -> Fit:
    """Return the process on scaled features with the kernel and noise that are most probable."""
    center, spread = scale
    points = (features - center) / spread
    target_center, target_spread = float(target.mean()), float(target.std()) or 1.0
    standardized = (target - target_center) / target_spread
    known_noise = np.broadcast_to(known_noise, target.shape) / target_spread**2

    def conditioned(fitted: np.ndarray) -> tuple[GaussianProcess, float]:
        """Return the process given all values, with hyperparameters of some rows, and the variance of the noise."""
        some = fitted[:: -(-len(fitted) // MAX_FITTED_ROWS)]
        kernel, noise = most_probable(points[some], standardized[some], known_noise[some])
        return GaussianProcess.conditioned(kernel, points, standardized, noise + known_noise), noise

    rows = np.arange(len(points))
    process, noise = conditioned(rows)
    residual, deviation = process.left_out(folds)
    groups = [folds[number::MAX_GROUPS] for number in range(min(MAX_GROUPS, len(folds)))] if refit else []
    for group in groups:
        left = np.concatenate(group)
        if len(left) < len(rows):
            without, _ = conditioned(np.delete(rows, left))
            residuals, deviations = without.left_out(folds)
            residual[left], deviation[left] = residuals[left], deviations[left]
    noise += float(known_noise.mean())
    regression = ProcessRegression(process, center, spread, noise, target_center, target_spread)
    return regression, target - target_spread * residual, target_spread * deviation


def feature_scale(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return center and spread of each feature, so that the mean squared norm of the scaled rows is 1.

    Columns of 0 and 1 keep their unit and others are divided by two standard deviations, so that both weigh alike.
    The spread of constant columns is infinite, which removes them.
    """
    return _normalized(features, np.ones(features.shape[1], dtype=bool))


def is_binary(features: np.ndarray) -> np.ndarray:
    """Return which columns hold 0 and 1 only, bool, shape (n_features,)."""
    return ((features == 0) | (features == 1)).all(axis=0)


def _normalized(features: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scale of some columns as :func:`feature_scale` does; the spread of the others is infinite."""
    features = features.astype(float)
    center, deviation = features.mean(axis=0), features.std(axis=0)
    spread = np.where(is_binary(features), 1.0, 2 * deviation)
    varies = (deviation > 0) & columns
    norm = np.sqrt(((deviation[varies] / spread[varies]) ** 2).sum()) or 1.0
    return center, np.where(varies, spread * norm, np.inf)


def _smooth_kernel(points: np.ndarray, target: np.ndarray, known_noise: np.ndarray) -> tuple[Kernel, float]:
    """Return the kernel and the variance of the noise beyond the known one with the largest posterior density."""
    from scipy.optimize import minimize

    varying = np.flatnonzero(np.ptp(points, axis=0))
    names = ["linear", "variance", "noise"] + ["length"] * len(varying)
    expected = np.log([EXPECTED[name] for name in names])
    spread = np.array([SPREAD[name] for name in names])
    found = minimize(
        loss,
        expected,
        (points[:, varying], target, known_noise, expected, spread),
        jac=True,
        method="L-BFGS-B",
        bounds=[RANGE[name] for name in names],
        options={"maxiter": MAX_STEPS},
    )
    linear, variance, noise = np.exp(found.x[: LENGTHS.start]).tolist()
    lengths = np.full(points.shape[1], np.inf)
    lengths[varying] = np.exp(found.x[LENGTHS])
    n_inputs = points.shape[1]
    return Kernel(np.full(n_inputs, linear), np.zeros(n_inputs), variance, lengths), noise + JITTER


def _pairs_kernel(
    choices: np.ndarray, points: np.ndarray, target: np.ndarray, known_noise: np.ndarray
) -> tuple[Kernel, float]:
    """Return the most probable kernel of linear parts and pairs, and the variance of the noise beyond the known one."""
    from scipy.optimize import minimize

    of_choices, of_costs = points * choices, points * ~choices
    products = of_choices @ of_choices.T
    parts = np.stack([products, of_costs @ of_costs.T, products**2, np.eye(len(points))])
    found = minimize(
        additive_loss,
        np.log(PAIRS_EXPECTED),
        (parts, target, known_noise),
        jac=True,
        method="L-BFGS-B",
        bounds=[RANGE["linear"], RANGE["linear"], RANGE["linear"], RANGE["noise"]],
        options={"maxiter": MAX_STEPS},
    )
    linear, costs, pairs, noise = np.exp(found.x).tolist()
    n_inputs = points.shape[1]
    return (
        Kernel(np.where(choices, linear, costs), np.sqrt(pairs) * choices, 0.0, np.full(n_inputs, np.inf)),
        noise + JITTER,
    )


def additive_loss(
    hyperparameters: np.ndarray, parts: np.ndarray, target: np.ndarray, known_noise: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the negative logarithm of the posterior density of the variances of a sum of kernels, and its gradient.

    Parameters
    ----------
    hyperparameters : ndarray, shape (4,)
        Logarithms of the variances of the parts; the last one is the noise.
    parts : ndarray, shape (4, n, n)
    target : ndarray, shape (n,)
    known_noise : ndarray, shape (n,)
        Variance of each row's noise that is known beforehand.
    """
    variances = np.exp(hyperparameters)
    covariance = np.tensordot(variances, parts, axes=1)
    covariance[np.diag_indices(len(target))] += known_noise + JITTER
    factor = np.linalg.cholesky(covariance)
    whitener = inverse_of_lower(factor)
    precision = whitener.T @ whitener
    weights = precision @ target
    sensitivity = precision - np.outer(weights, weights)
    slopes = variances * np.tensordot(parts, sensitivity, axes=2)
    deviation = (hyperparameters - np.log(PAIRS_EXPECTED)) / PAIRS_SPREAD
    density = 0.5 * target @ weights + np.log(np.diag(factor)).sum() + 0.5 * deviation @ deviation
    return density, 0.5 * slopes + deviation / PAIRS_SPREAD


def loss(
    hyperparameters: np.ndarray,
    points: np.ndarray,
    target: np.ndarray,
    known_noise: np.ndarray,
    expected: np.ndarray,
    spread: np.ndarray,
) -> tuple[float, np.ndarray]:
    """Return the negative logarithm of the posterior density of the hyperparameters, and its gradient.

    Parameters
    ----------
    hyperparameters : ndarray, shape (3 + n_features,)
        Logarithms: see :data:`LINEAR`.
    points : ndarray, shape (n, n_features)
    target, known_noise : ndarray, shape (n,)
        Values, and the variance of each one's noise that is known beforehand.
    expected, spread : ndarray, shape (3 + n_features,)
        Centers and standard deviations of their normal prior.
    """
    linear, variance, noise = np.exp(hyperparameters[[LINEAR, VARIANCE, NOISE]])
    products = linear * points @ points.T
    scaled = points / np.exp(hyperparameters[LENGTHS])
    squared = distances(scaled, scaled)
    correlation, slope = matern_and_slope(squared)
    smooth = variance * correlation
    covariance = products + smooth
    covariance[np.diag_indices(len(target))] += noise + known_noise + JITTER
    factor = np.linalg.cholesky(covariance)
    whitener = inverse_of_lower(factor)
    precision = whitener.T @ whitener
    weights = precision @ target
    # d loss / d parameter = trace((precision − weights weightsᵀ) · d kernel / d parameter) / 2
    sensitivity = precision - np.outer(weights, weights)
    by_distance = sensitivity * variance * slope
    # the squared distance changes with a length as −2 (difference along the feature)²; summed over all pairs:
    by_length = -4 * (by_distance.sum(axis=1) @ scaled**2 - ((by_distance @ scaled) * scaled).sum(axis=0))
    by_variance = [(sensitivity * part).sum() for part in (products, smooth)]
    slopes = np.concatenate([by_variance, [noise * np.trace(sensitivity)], by_length])
    deviation = (hyperparameters - expected) / spread
    density = 0.5 * target @ weights + np.log(np.diag(factor)).sum() + 0.5 * deviation @ deviation
    return density, 0.5 * slopes + deviation / spread
