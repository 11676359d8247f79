"""Latency on a device of which little was measured: what it shares with known devices, corrected by a few probes.

A device's latency is taken for a sum of those of known devices, of a share for each feature and of an overhead, with
weights of which the prior is told by how the known devices differ from each other. That is a Gaussian process of the
latency in units of the device's own speed, whose noise is relative.

References
----------
Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning", algorithm 2.1 and equation 2.30 (evidence), 2.40
(linear weights with a prior), 5.12 (predictions that leave one out). Lee, Lee, Chong, Hwang 2021, "HELP:
Hardware-Adaptive Efficient Latency Prediction for NAS via Meta-Learning": a device seen as the latencies of reference
architectures. Here nothing is meta-learned but the prior: its hyperparameters are the most probable ones for all known
devices, each treated as a new one, and for the new device.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.learn import storage
from nagevo.learn.conformal import CALIBRATION, Residuals, near_frontier
from nagevo.learn.gaussian import correlation, feature_scale

OVERHEAD = 0.5
"""Prior standard deviation of the overhead, in units of the mean latency."""
LENGTH = 2.0
"""Over which what is not linear in the features changes, in units of the spread of all features together."""
GRID = tuple(product((0.5, 1.0, 2.0), (0.1, 0.2, 0.5), (0.05, 0.15), (0.03, 0.06, 0.12)))
"""Hyperparameters to choose from: prior standard deviations of the weights of the known devices, of the features, and
of what is not linear in them; and of the relative noise."""
FLOOR = 0.1
"""Latencies below this share of the smallest one measured are not predicted."""
PRIOR_WEIGHT = 5.0
"""How many measurements the prior counts for that errors are as large as the Gaussian process says."""
FEWEST = 2
"""A device is told by so many measurements at least."""


@dataclass(frozen=True)
class Basis:
    """In what a latency is expanded, made of a description: features, then the logarithms of known latencies.

    Attributes
    ----------
    center, spread : ndarray, shape (n_features,)
        Features are reduced by the one and divided by the other.
    log_mean : ndarray, shape (n_known,)
        Logarithm of the mean latency on each known device.
    """

    center: np.ndarray
    spread: np.ndarray
    log_mean: np.ndarray

    @classmethod
    def of(cls, described: np.ndarray, n_known: int) -> Basis:
        """Return the basis for some described architectures, shape (n, n_features + n_known)."""
        n_features = described.shape[1] - n_known
        center, spread = feature_scale(described[:, :n_features])
        return cls(center, spread, np.log(np.exp(described[:, n_features:]).mean(axis=0)))

    def without(self, known: int) -> Basis:
        """Return the basis without one of the known devices."""
        return Basis(self.center, self.spread, np.delete(self.log_mean, known))

    def expanded(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the mean relative latency (n,), each known device's deviation from it, and the scaled features."""
        features = (described[:, : len(self.center)] - self.center) / self.spread
        relative = np.exp(described[:, len(self.center) :] - self.log_mean)
        mean = relative.mean(axis=1)
        return mean, relative - mean[:, None], features


@dataclass(frozen=True)
class Teachers:
    """Known devices, from each of which is learned what to expect of a new one.

    Attributes
    ----------
    described : ndarray, shape (n, n_features + n_known)
        Architectures as a new device will find them described where it is measured.
    unseen : ndarray, shape (n, n_features + n_known)
        The same where no known device was fitted to their latencies, as most that will be predicted.
    latency_ms : ndarray, shape (n_devices, n)
        Measured, NaN where it failed; the known devices first, in order, and further ones made up of them.
    accuracy : ndarray, shape (n,)
        Percent.
    order : ndarray of int
        Rows, the most telling probe first.
    n_known : int
    """

    described: np.ndarray
    unseen: np.ndarray
    latency_ms: np.ndarray
    accuracy: np.ndarray
    order: np.ndarray
    n_known: int

    @property
    def basis(self) -> Basis:
        """The basis for these architectures."""
        return Basis.of(self.unseen, self.n_known)

    def pupils(self, n: int) -> list[Pupil]:
        """Return each device as if it were new and at most n architectures were measured there.

        Of a single known device nothing is left to learn it from; only those made up are returned then.
        """
        numbers = range(self.n_known if self.n_known == 1 else 0, len(self.latency_ms))
        return [self._pupil(number, n) for number in numbers]

    def _pupil(self, number: int, n: int) -> Pupil:
        measured = np.isfinite(self.latency_ms[number])
        described, unseen, basis = self.described, self.unseen, self.basis
        known = number < self.n_known
        if known:
            column = described.shape[1] - self.n_known + number
            described, unseen = np.delete(described, column, axis=1), np.delete(unseen, column, axis=1)
            basis = basis.without(number)
        probes = self.order[measured[self.order]][:n]
        tested = measured & np.isfinite(self.accuracy)
        tested[probes] = False
        latency_ms = self.latency_ms[number]
        return Pupil(
            known,
            basis,
            described[probes],
            latency_ms[probes],
            unseen[tested],
            latency_ms[tested],
            self.accuracy[tested],
        )


@dataclass(frozen=True)
class Pupil:
    """A known or made up device that is treated as a new one.

    Attributes
    ----------
    known : bool
        Whether it is a real device.
    basis : Basis
        Without it.
    described, latency_ms : ndarray, shape (n, …)
        Its probes.
    tested, tested_ms, accuracy : ndarray, shape (n_tested, …)
        Other architectures: their description, latency and accuracy in percent.
    """

    known: bool
    basis: Basis
    described: np.ndarray
    latency_ms: np.ndarray
    tested: np.ndarray
    tested_ms: np.ndarray
    accuracy: np.ndarray

    def residuals(self, hyperparameters: Sequence[float]) -> np.ndarray:
        """Return by how many predicted deviations, scaled, the truth exceeds the prediction near the frontier."""
        posterior = Posterior.of(self.basis, hyperparameters, self.described, self.latency_ms)
        predicted, std = posterior.predict(self.tested)
        near = near_frontier(np.column_stack([-self.accuracy, predicted]), CALIBRATION)
        residuals = np.log(self.tested_ms / predicted) / (posterior.error_scale(self.latency_ms) * std)
        return residuals[near]


@dataclass(frozen=True)
class Posterior:
    """A Gaussian process of relative latency, conditioned on the probes of a device.

    Attributes
    ----------
    basis : Basis
    hyperparameters : tuple of float
        An entry of :data:`GRID`.
    speed_ms : float
        Unit of latency: that of the device for architectures which take the mean relative latency.
    columns : ndarray, shape (n, n_columns)
        Of the linear part, at the probes.
    features : ndarray, shape (n, n_features)
        Scaled, at the probes.
    precision : ndarray, shape (n, n)
        Inverse of the kernel matrix.
    weights : ndarray, shape (n,)
        Of the kernel with each probe.
    smallest_ms : float
    """

    basis: Basis
    hyperparameters: tuple[float, float, float, float]
    speed_ms: float
    columns: np.ndarray
    features: np.ndarray
    precision: np.ndarray
    weights: np.ndarray
    smallest_ms: float

    @classmethod
    def of(cls, basis: Basis, hyperparameters: Sequence[float], described: np.ndarray, latency_ms: np.ndarray):
        """Return the process conditioned on the latencies of described probes."""
        mean, deviations, features = basis.expanded(described)
        speed_ms = float(np.exp((np.log(latency_ms) - np.log(mean)).mean()))
        relative = latency_ms / speed_ms
        columns = linear_columns(hyperparameters, mean, deviations, features)
        smooth, noise = hyperparameters[2:]
        kernel = columns @ columns.T + smooth**2 * correlation(features / LENGTH, features / LENGTH)
        precision = np.linalg.inv(kernel + np.diag((noise * relative) ** 2))
        floor = FLOOR * float(latency_ms.min())
        hyper = tuple(hyperparameters)
        return cls(basis, hyper, speed_ms, columns, features, precision, precision @ (relative - mean), floor)

    def log_evidence(self, latency_ms: np.ndarray, described: np.ndarray) -> float:
        """Return the logarithm of the probability density of the logarithms of the probes' latencies."""
        residual = latency_ms / self.speed_ms - self.basis.expanded(described)[0]
        return float(
            np.log(latency_ms / self.speed_ms).sum()
            - 0.5 * residual @ self.weights
            + 0.5 * np.linalg.slogdet(self.precision)[1]
        )

    def predict(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latency in ms and the relative standard deviation of a measurement, both of shape (n,)."""
        mean, deviations, features = self.basis.expanded(described)
        columns = linear_columns(self.hyperparameters, mean, deviations, features)
        smooth, noise = self.hyperparameters[2:]
        near = smooth**2 * correlation(features / LENGTH, self.features / LENGTH)
        kernel = columns @ self.columns.T + near
        relative = np.maximum(mean + kernel @ self.weights, self.smallest_ms / self.speed_ms)
        prior = (columns**2).sum(axis=1) + smooth**2
        variance = np.maximum(prior - ((kernel @ self.precision) * kernel).sum(axis=1), 0.0)
        return self.speed_ms * relative, np.sqrt(variance / relative**2 + noise**2)

    def left_out(self, latency_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latency of each probe predicted from the others, and the relative standard deviation."""
        variance = 1.0 / np.diag(self.precision)
        predicted = np.maximum(latency_ms / self.speed_ms - self.weights * variance, self.smallest_ms / self.speed_ms)
        return self.speed_ms * predicted, np.sqrt(variance) / predicted

    def error_scale(self, latency_ms: np.ndarray) -> float:
        """Return how much larger errors are than the process says, told by the probes as far as these are many."""
        predicted, std = self.left_out(latency_ms)
        squares = (np.log(latency_ms / predicted) / std) ** 2
        return float(np.sqrt((PRIOR_WEIGHT + squares.sum()) / (PRIOR_WEIGHT + len(squares))))


@dataclass(frozen=True)
class AdaptedLatency:
    """A predictor of the latency on a device that was adapted to some measurements, in ms, with a bound.

    Attributes
    ----------
    posterior : Posterior
    error_scale : float
        See :meth:`Posterior.error_scale`.
    residuals : Residuals
        Logarithms of the ratio of truth and prediction, over the predicted relative deviation times the error scale, of
        architectures near the frontier of devices that were treated as new ones.
    n_devices : int
        Number of these devices.
    left_out : ndarray, shape (2, n)
        Measured latencies, and what is predicted of each without it, in ms.
    """

    posterior: Posterior
    error_scale: float
    residuals: Residuals
    n_devices: int
    left_out: np.ndarray

    @property
    def highest_confidence(self) -> float:
        """The highest confidence that so many devices support."""
        return self.n_devices / (self.n_devices + 1)

    def predict(self, described: np.ndarray) -> np.ndarray:
        """Return the predicted latency of each described architecture, shape (n,)."""
        return self.posterior.predict(described)[0]

    def predict_with_spread(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions in ms, and by what the logarithmic margin is multiplied for each, both of shape (n,)."""
        latency_ms, std = self.posterior.predict(described)
        return latency_ms, self.error_scale * std

    def bound(self, described: np.ndarray, confidence: float) -> np.ndarray:
        """Return what the latency of each stays below with the given confidence, shape (n,), in ms."""
        latency_ms, spread = self.predict_with_spread(described)
        return latency_ms * np.exp(self.residuals.margin(confidence) * spread)

    def save(self, folder: str | os.PathLike) -> None:
        """Write the predictor into a folder."""
        posterior, basis = self.posterior, self.posterior.basis
        numbers = {
            "error_scale": self.error_scale,
            "n_devices": self.n_devices,
            "speed_ms": posterior.speed_ms,
            "smallest_ms": posterior.smallest_ms,
        }
        arrays = {name: getattr(posterior, name) for name in ("columns", "features", "precision", "weights")}
        arrays |= {"hyperparameters": np.array(posterior.hyperparameters), "left_out": self.left_out}
        arrays |= {"residuals": self.residuals.values, **storage.with_prefix("basis", vars(basis))}
        storage.write(folder, "adapted latency", numbers, arrays, ())

    @classmethod
    def load(cls, folder: str | os.PathLike) -> AdaptedLatency:
        """Return what :meth:`save` wrote.

        Raises
        ------
        BundleError
            If the folder holds no such predictor.
        """
        numbers, arrays, _ = storage.read(folder, "adapted latency")
        posterior = Posterior(
            Basis(**storage.without_prefix("basis", arrays)),
            tuple(arrays["hyperparameters"].tolist()),
            numbers["speed_ms"],
            *(arrays[name] for name in ("columns", "features", "precision", "weights")),
            numbers["smallest_ms"],
        )
        residuals = Residuals(arrays["residuals"])
        return cls(posterior, numbers["error_scale"], residuals, numbers["n_devices"], arrays["left_out"])


def adapt_latency(described: np.ndarray, latency_ms: np.ndarray, teachers: Teachers) -> AdaptedLatency:
    """Return what some measurements on a new device, and the known devices, say of its latency.

    Parameters
    ----------
    described : ndarray, shape (n, n_features + n_known)
        What was measured.
    latency_ms : ndarray, shape (n,)
        Positive and finite.
    teachers : Teachers

    Raises
    ------
    DataError
        If there are fewer than two measurements.
    """
    if len(latency_ms) < FEWEST:
        raise DataError(f"a device needs at least {FEWEST} latencies to be adapted to, got {len(latency_ms)}")
    pupils = teachers.pupils(len(latency_ms))
    known = [(pupil.basis, pupil.described, pupil.latency_ms) for pupil in pupils if pupil.known]
    hyperparameters = _most_probable([*known, (teachers.basis, described, latency_ms)])
    posterior = Posterior.of(teachers.basis, hyperparameters, described, latency_ms)
    residuals = [pupil.residuals(hyperparameters) for pupil in pupils]
    left_out = np.array([latency_ms, posterior.left_out(latency_ms)[0]])
    pooled = Residuals(np.sort(np.concatenate(residuals)))
    return AdaptedLatency(posterior, posterior.error_scale(latency_ms), pooled, len(residuals), left_out)


def linear_columns(
    hyperparameters: Sequence[float], mean: np.ndarray, deviations: np.ndarray, features: np.ndarray
) -> np.ndarray:
    """Return what the linear part of the process is linear in, each times the deviation of its weight."""
    devices, of_features = hyperparameters[:2]
    overhead = np.full((len(mean), 1), OVERHEAD)
    return np.column_stack([mean, devices * deviations, overhead, of_features * features])


def _most_probable(devices: Sequence[tuple[Basis, np.ndarray, np.ndarray]]) -> tuple[float, float, float, float]:
    """Return the hyperparameters of the largest evidence over all devices."""

    def evidence(hyperparameters: tuple[float, float, float, float]) -> float:
        return sum(Posterior.of(b, hyperparameters, x, y).log_evidence(y, x) for b, x, y in devices)

    return max(GRID, key=evidence)
