"""A Gaussian process of the latency on one device, over the latencies of known devices and the features.

A device's latency is modeled as a weighted sum of those of known devices and of the features, plus an overhead. The
process models the latency in units of the device's own speed, with relative noise.

References
----------
Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning", equation 2.30 (marginal likelihood), 2.40 (linear
weights with a prior), 5.12 (leave-one-out predictions).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from nagevo.learn.gaussian import GaussianProcess, Kernel, in_parts
from nagevo.learn.regression import feature_scale

OVERHEAD = 0.5
"""Prior standard deviation of the overhead, in units of the mean latency."""
LENGTH = 2.0
"""Length of the smooth part of the kernel, in units of the spread of all features together."""
FLOOR = 0.1
"""Smallest latency that is predicted, as a share of the smallest measured one."""
PRIOR_STRENGTH = 5.0
"""Prior strength of the predicted size of errors, in pseudo-measurements."""


@dataclass(frozen=True)
class Prior:
    """Hyperparameters of the process of a device's relative latency.

    Attributes
    ----------
    devices, features, smooth : float
        Prior standard deviations of the weights of the known devices and of the features, and of the smooth part.
    noise : float
        Relative standard deviation of a measurement.
    """

    devices: float
    features: float
    smooth: float
    noise: float


PRIORS = tuple(Prior(*each) for each in product((0.5, 1.0, 2.0), (0.1, 0.2, 0.5), (0.05, 0.15), (0.03, 0.06, 0.12)))
"""Priors to choose from."""


@dataclass(frozen=True)
class Basis:
    """Basis functions of the latency model, for descriptions: features, then the logarithms of known latencies.

    Attributes
    ----------
    center, spread : ndarray, shape (n_features,)
        Subtracted from the features, and what they are divided by then.
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

    def inputs(self, described: np.ndarray) -> np.ndarray:
        """Return the inputs of the process, shape (n, n_known + 2 + n_features).

        They are the mean relative latency on the known devices, each known device's deviation from it, a constant for
        the overhead, and the scaled features.
        """
        features = (described[:, : len(self.center)] - self.center) / self.spread
        relative = np.exp(described[:, len(self.center) :] - self.log_mean)
        mean = relative.mean(axis=1, keepdims=True)
        return np.column_stack([mean, relative - mean, np.ones(len(described)), features])

    def kernel(self, prior: Prior) -> Kernel:
        """Return the kernel of a prior for the inputs."""
        n_known, n_features = len(self.log_mean), len(self.center)
        std = np.concatenate([[1.0], np.full(n_known, prior.devices), [OVERHEAD], np.full(n_features, prior.features)])
        lengths = np.concatenate([np.full(n_known + 2, np.inf), np.full(n_features, LENGTH)])
        return Kernel(std**2, np.zeros(len(std)), prior.smooth**2, lengths)


@dataclass(frozen=True)
class DeviceProcess:
    """A Gaussian process of relative latency, conditioned on the probes of a device.

    Its prior mean is the mean relative latency on the known devices, the first input.

    Attributes
    ----------
    noise : float
        Relative standard deviation of a measurement.
    speed_ms : float
        Unit of latency: that of the device for architectures whose mean relative latency is 1.
    floor_ms : float
        Smallest latency that is predicted.
    """

    basis: Basis
    process: GaussianProcess
    noise: float
    speed_ms: float
    floor_ms: float

    @classmethod
    def of(cls, basis: Basis, prior: Prior, described: np.ndarray, latency_ms: np.ndarray) -> DeviceProcess:
        """Return the process conditioned on the latencies of described probes."""
        inputs = basis.inputs(described)
        mean = inputs[:, 0]
        speed_ms = float(np.exp((np.log(latency_ms) - np.log(mean)).mean()))
        relative = latency_ms / speed_ms
        process = GaussianProcess.conditioned(
            basis.kernel(prior), inputs, relative - mean, (prior.noise * relative) ** 2
        )
        return cls(basis, process, prior.noise, speed_ms, FLOOR * float(latency_ms.min()))

    def log_evidence(self, latency_ms: np.ndarray) -> float:
        """Return the logarithm of the probability density of the logarithms of the probes' latencies."""
        relative = latency_ms / self.speed_ms
        return float(np.log(relative).sum()) + self.process.log_evidence(relative - self.process.points[:, 0])

    def predict(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latency in ms and the relative standard deviation of a measurement, both of shape (n,)."""
        latency_ms, std = in_parts(self._predicted, described)
        return latency_ms, std

    def _predicted(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inputs = self.basis.inputs(described)
        mean, variance = self.process.mean_and_variance(inputs)
        relative = np.maximum(inputs[:, 0] + mean, self.floor_ms / self.speed_ms)
        return self.speed_ms * relative, np.sqrt(variance / relative**2 + self.noise**2)

    def left_out(self, latency_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latency of each probe predicted from the others, and the relative standard deviation."""
        residual, deviation = self.process.left_out([np.array([row]) for row in range(len(latency_ms))])
        predicted = np.maximum(latency_ms / self.speed_ms - residual, self.floor_ms / self.speed_ms)
        return self.speed_ms * predicted, deviation / predicted

    def error_scale(self, latency_ms: np.ndarray) -> float:
        """Return the ratio of the errors of leave-one-out predictions to the predicted ones, shrunk towards 1."""
        predicted, std = self.left_out(latency_ms)
        squares = (np.log(latency_ms / predicted) / std) ** 2
        return float(np.sqrt((PRIOR_STRENGTH + squares.sum()) / (PRIOR_STRENGTH + len(squares))))
