"""Latency on a device with few measurements: transferred from known devices, and corrected by some probes.

References
----------
Lee, Lee, Chong, Hwang 2021, "HELP: Hardware-Adaptive Efficient Latency Prediction for NAS via Meta-Learning": a device
seen as the latencies of reference architectures. Here only the prior of :mod:`nagevo.learn.device_process` is
meta-learned: how often devices follow each base and each prior is learned from the known devices, each treated as a new
one, and from the new device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.learn.conformal import Residuals, chosen_weights, weighted
from nagevo.learn.device_process import Basis, DeviceProcesses, learned_shares, log_evidence, posterior

MIN_LATENCIES = 2
"""Minimum number of measurements per device."""


@dataclass(frozen=True)
class MetaTrainingSet:
    """Known and synthetic devices, each of which can be held out and treated as a new one.

    Attributes
    ----------
    described : ndarray, shape (n, n_features + n_known)
        Features, and the logarithms of the latencies that each known device's surrogate predicts.
    latency_ms : ndarray, shape (n_devices, n)
        Measured, NaN where it failed; the known devices first, in order, then synthetic ones.
    accuracy : ndarray, shape (n,)
        Percent.
    order : ndarray of int
        Rows, the most informative probe first.
    """

    described: np.ndarray
    latency_ms: np.ndarray
    accuracy: np.ndarray
    order: np.ndarray
    n_known: int

    @cached_property
    def basis(self) -> Basis:
        """The basis for these architectures."""
        return Basis.of(self.described, self.n_known)

    def held_out(self, n: int) -> list[HeldOutDevice]:
        """Return each device as if it were new and at most n architectures were measured there.

        Where one device alone is known, no other could describe it; only synthetic ones are returned then. A device on
        which all probes but one failed is left out, too.
        """
        numbers = range(self.n_known if self.n_known == 1 else 0, len(self.latency_ms))
        devices = [self._held_out(number, n) for number in numbers]
        least = min(MIN_LATENCIES, len(self.order))
        return [device for device in devices if len(device.latency_ms) >= least]

    def _held_out(self, number: int, n: int) -> HeldOutDevice:
        measured = np.isfinite(self.latency_ms[number])
        described, basis = self.described, self.basis
        real = number < self.n_known
        if real:
            described = np.delete(described, described.shape[1] - self.n_known + number, axis=1)
            basis = basis.without(number)
        probes = self.order[measured[self.order]][:n]
        tested = measured & np.isfinite(self.accuracy)
        tested[probes] = False
        latency_ms = self.latency_ms[number]
        return HeldOutDevice(
            real,
            basis,
            described[probes],
            latency_ms[probes],
            described[tested],
            latency_ms[tested],
            self.accuracy[tested],
        )


@dataclass(frozen=True)
class HeldOutDevice:
    """A known or synthetic device that is treated as a new one.

    Attributes
    ----------
    real : bool
        Whether it is a real device.
    basis : Basis
        Made without it.
    described, latency_ms : ndarray, shape (n, …)
        Its probes.
    tested, tested_ms, accuracy : ndarray, shape (n_tested, …)
        Other architectures: their description, latency and accuracy in percent.
    """

    real: bool
    basis: Basis
    described: np.ndarray
    latency_ms: np.ndarray
    tested: np.ndarray
    tested_ms: np.ndarray
    accuracy: np.ndarray

    @cached_property
    def evidence(self) -> np.ndarray:
        """Log marginal likelihood of the probes for each base and prior: see :func:`.device_process.log_evidence`."""
        return log_evidence(self.basis, self.described, self.latency_ms)

    def residuals(self, shares: np.ndarray) -> np.ndarray:
        """Return errors of the predicted logarithms of what is chosen as answers are, in their scaled deviations."""
        probability = posterior(self.evidence, shares)
        process = DeviceProcesses.of(self.basis, self.described, self.latency_ms, probability)
        predicted, std = process.predict(self.tested)
        spread = process.error_scale(self.latency_ms) * std
        weights = chosen_weights(np.column_stack([-self.accuracy, np.log(predicted) + spread]))
        return weighted(np.log(self.tested_ms / predicted) / spread, weights)


@dataclass(frozen=True)
class AdaptedLatency:
    """A predictor of the latency on a device that was adapted to some measurements, in ms, with a bound.

    Attributes
    ----------
    error_scale : float
        See :meth:`DeviceProcesses.error_scale`.
    residuals : Residuals
        Logarithms of the ratio of truth and prediction, over their predicted deviation times the error scale, of
        architectures chosen as answers on held-out devices.
    n_devices : int
        Number of these devices.
    left_out : ndarray, shape (2, n)
        Measured latencies, and the leave-one-out prediction of each, in ms.
    """

    process: DeviceProcesses
    error_scale: float
    residuals: Residuals
    n_devices: int
    left_out: np.ndarray

    @property
    def highest_confidence(self) -> float:
        """The highest confidence that the number of devices supports."""
        return self.n_devices / (self.n_devices + 1)

    def predict(self, described: np.ndarray) -> np.ndarray:
        """Return the predicted latency of each described architecture, shape (n,)."""
        return self.process.predict(described)[0]

    def predict_with_spread(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions in ms, and the factor of the logarithmic margin of each, both of shape (n,)."""
        latency_ms, std = self.process.predict(described)
        return latency_ms, self.error_scale * std

    def bound(self, described: np.ndarray, confidence: float) -> np.ndarray:
        """Return the latency that each stays below with the given confidence, shape (n,), in ms."""
        latency_ms, spread = self.predict_with_spread(described)
        return latency_ms * np.exp(self.residuals.margin(confidence) * spread)


def adapt_latency(described: np.ndarray, latency_ms: np.ndarray, training: MetaTrainingSet) -> AdaptedLatency:
    """Return a predictor of the latency on a new device, from some measurements there and from the known devices.

    Parameters
    ----------
    described : ndarray, shape (n, n_features + n_known)
        The measured architectures.
    latency_ms : ndarray, shape (n,)
        Positive and finite.

    Raises
    ------
    DataError
        If there are fewer than two measurements.
    """
    if len(latency_ms) < MIN_LATENCIES:
        raise DataError(f"a device needs at least {MIN_LATENCIES} latencies to be adapted to, got {len(latency_ms)}")
    held_out = training.held_out(len(latency_ms))
    evidence = log_evidence(training.basis, described, latency_ms)
    shares = learned_shares([*(device.evidence for device in held_out if device.real), evidence])
    process = DeviceProcesses.of(training.basis, described, latency_ms, posterior(evidence, shares))
    residuals = [device.residuals(shares) for device in held_out]
    left_out = np.array([latency_ms, process.left_out(latency_ms)[0]])
    pooled = Residuals(np.sort(np.concatenate(residuals)))
    return AdaptedLatency(process, process.error_scale(latency_ms), pooled, len(residuals), left_out)
