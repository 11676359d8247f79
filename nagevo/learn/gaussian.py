"""Gaussian process regression in numpy: one kernel, conditioned on values with noise.

References
----------
Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning": algorithm 2.1 (prediction), equation 2.40 (linear
weights with a prior), equation 4.17 (Matérn 5/2), equation 5.12 (leave-one-out predictions, here for whole folds).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

JITTER = 1e-6
ROWS_AT_ONCE = 128
"""Number of rows that are predicted at a time, so that they and their kernels fit the processor's cache."""


@dataclass(frozen=True)
class Kernel:
    """The covariance of a function between two rows x and y of inputs.

    It is Σ linear x y + (Σ pairs x y)² + variance · Matérn 5/2(|(x − y) / lengths|): a linear part, a part of the
    products of all pairs of inputs, and a smooth part.

    Attributes
    ----------
    linear, pairs : ndarray, shape (n_inputs,)
        Factors of the products of the inputs; 0 where an input does not count.
    variance : float
        Variance of the smooth part.
    lengths : ndarray, shape (n_inputs,)
        Length scale of the smooth part along each input; infinite where it does not change.

    Examples
    --------
    >>> kernel = Kernel(np.array([1.0, 0.0]), np.array([0.0, 2.0]), 0.0, np.full(2, np.inf))
    >>> kernel.between(np.array([[3.0, 1.0]]), np.array([[2.0, 4.0]])).tolist()  # 3 · 2 + (2 · 1 · 4)²
    [[70.0]]
    """

    linear: np.ndarray
    pairs: np.ndarray
    variance: float
    lengths: np.ndarray

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the covariance of each row of the one with each of the other, shape (n_first, n_second)."""
        return (first * self.linear) @ second.T + self.beyond_linear(first, second)

    def beyond_linear(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the covariance without its linear part."""
        covariance = np.zeros((len(first), len(second)))
        if self.pairs.any():
            covariance += ((first * self.pairs) @ second.T) ** 2
        if self.variance:
            covariance += self.variance * matern(distances(first / self.lengths, second / self.lengths))
        return covariance

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the prior variance at each row, shape (n,)."""
        squares = rows**2
        return squares @ self.linear + (squares @ self.pairs) ** 2 + self.variance


@dataclass(frozen=True)
class GaussianProcess:
    """A Gaussian process with prior mean 0, conditioned on values at some points.

    Attributes
    ----------
    points : ndarray, shape (n, n_inputs)
    whitener : ndarray, shape (n, n)
        Inverse of the Cholesky factor of the covariance of the values.
    weights : ndarray, shape (n,)
        Weight of the kernel with each point.
    """

    kernel: Kernel
    points: np.ndarray
    whitener: np.ndarray
    weights: np.ndarray

    @classmethod
    def conditioned(
        cls, kernel: Kernel, points: np.ndarray, values: np.ndarray, noise: float | np.ndarray
    ) -> GaussianProcess:
        """Return the process given the values at the points, shape (n,), and the variance of their noise."""
        covariance = kernel.between(points, points)
        covariance[np.diag_indices(len(points))] += noise
        whitener = inverse_of_lower(np.linalg.cholesky(covariance))
        return cls(kernel, points, whitener, whitener.T @ (whitener @ values))

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean at each row, shape (n_rows,)."""
        slopes = self.kernel.linear * (self.weights @ self.points)
        return rows @ slopes + self.kernel.beyond_linear(rows, self.points) @ self.weights

    def mean_and_variance(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance of the function at each row, noise left aside, both of shape (n_rows,)."""
        kernel = self.kernel.between(rows, self.points)
        explained = ((kernel @ self.whitener.T) ** 2).sum(axis=1)
        return kernel @ self.weights, np.maximum(self.kernel.of(rows) - explained, 0.0)

    def left_out(self, folds: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return each value's residual when its fold is left out, and the standard deviation that is expected of it.

        Parameters
        ----------
        folds : sequence of ndarray of int
            Points of each fold; they cover the points.
        """
        residual, deviation = np.empty(len(self.points)), np.empty(len(self.points))
        for fold in folds:
            columns = self.whitener[:, fold]
            covariance = np.linalg.inv(columns.T @ columns)
            residual[fold], deviation[fold] = covariance @ self.weights[fold], np.sqrt(np.diag(covariance))
        return residual, deviation


def inverse_of_lower(factor: np.ndarray) -> np.ndarray:
    """Return the inverse of a lower triangular matrix."""
    from scipy.linalg.lapack import dtrtri

    return dtrtri(factor, lower=True)[0]


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the squared distance of each row of the one to each of the other."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.maximum(squares - 2 * first @ second.T, 0.0)


def matern(squared: np.ndarray) -> np.ndarray:
    """Return the Matérn 5/2 correlation at squared distances, in units of the length."""
    root = np.sqrt(5 * squared)
    return (1 + root + root**2 / 3) * np.exp(-root)


def matern_and_slope(squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return :func:`matern` and its derivative by the squared distance."""
    root = np.sqrt(5 * squared)
    decay = np.exp(-root)
    return (1 + root + root**2 / 3) * decay, -5 / 6 * (1 + root) * decay


def in_parts(predict: Callable[[np.ndarray], ArrayLike], rows: np.ndarray, at_once: int = ROWS_AT_ONCE) -> np.ndarray:
    """Return what a function predicts of rows, shape (…, n_rows), of some at a time."""
    parts = np.array_split(rows, max(1, -(-len(rows) // at_once)))
    return np.concatenate([np.asarray(predict(part)) for part in parts], axis=-1)
