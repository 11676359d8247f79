"""Latency on a device with few measurements: transferred from known devices, and corrected by some probes.

References
----------
Lee, Lee, Chong, Hwang 2021, "HELP: Hardware-Adaptive Efficient Latency Prediction for NAS via Meta-Learning": a device
seen as the latencies of reference architectures. Here only the prior of :mod:`nagevo.learn.device_process` is
meta-learned: its hyperparameters are the most probable ones for all known devices, each treated as a new one, and for
the new device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.learn.conformal import Residuals, chosen_weights, weighted
from nagevo.learn.device_process import PRIORS, Basis, DeviceProcess, Prior

MIN_MEASUREMENTS = 2
"""Minimum number of measurements per device."""


@dataclass(frozen=True)
class MetaTrainingSet:
    """Known and synthetic devices, each of which can be held out and treated as a new one.

    Attributes
    ----------
    described : ndarray, shape (n, n_features + n_known)
        Architectures as a new device will find them described where it is measured.
    unseen : ndarray, shape (n, n_features + n_known)
        The same, with the latencies that each known device's surrogate predicts without having seen them: most
        architectures that will be predicted were not measured there.
    latency_ms : ndarray, shape (n_devices, n)
        Measured, NaN where it failed; the known devices first, in order, then synthetic ones.
    accuracy : ndarray, shape (n,)
        Percent.
    order : ndarray of int
        Rows, the most informative probe first.
    """

    described: np.ndarray
    unseen: np.ndarray
    latency_ms: np.ndarray
    accuracy: np.ndarray
    order: np.ndarray
    n_known: int

    @cached_property
    def basis(self) -> Basis:
        """The basis for these architectures."""
        return Basis.of(self.unseen, self.n_known)

    def held_out(self, n: int) -> list[HeldOutDevice]:
        """Return each device as if it were new and at most n architectures were measured there.

        Where one device alone is known, no other could describe it; only synthetic ones are returned then.
        """
        numbers = range(self.n_known if self.n_known == 1 else 0, len(self.latency_ms))
        return [self._held_out(number, n) for number in numbers]

    def _held_out(self, number: int, n: int) -> HeldOutDevice:
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
        return HeldOutDevice(
            known,
            basis,
            described[probes],
            latency_ms[probes],
            unseen[tested],
            latency_ms[tested],
            self.accuracy[tested],
        )


@dataclass(frozen=True)
class HeldOutDevice:
    """A known or synthetic device that is treated as a new one.

    Attributes
    ----------
    known : bool
        Whether it is a real device.
    basis : Basis
        Made without it.
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

    def residuals(self, prior: Prior) -> np.ndarray:
        """Return errors of the predicted logarithms of what is chosen as answers are, in their scaled deviations."""
        process = DeviceProcess.of(self.basis, prior, self.described, self.latency_ms)
        predicted, std = process.predict(self.tested)
        spread = process.error_scale(self.latency_ms) * std
        weights = chosen_weights(np.column_stack([-self.accuracy, predicted * np.exp(spread)]))
        return weighted(np.log(self.tested_ms / predicted) / spread, weights)


@dataclass(frozen=True)
class AdaptedLatency:
    """A predictor of the latency on a device that was adapted to some measurements, in ms, with a bound.

    Attributes
    ----------
    error_scale : float
        See :meth:`DeviceProcess.error_scale`.
    residuals : Residuals
        Logarithms of the ratio of truth and prediction, over the predicted relative deviation times the error scale, of
        architectures chosen as answers on held-out devices.
    n_devices : int
        Number of these devices.
    left_out : ndarray, shape (2, n)
        Measured latencies, and the leave-one-out prediction of each, in ms.
    """

    process: DeviceProcess
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
    if len(latency_ms) < MIN_MEASUREMENTS:
        raise DataError(f"a device needs at least {MIN_MEASUREMENTS} latencies to be adapted to, got {len(latency_ms)}")
    held_out = training.held_out(len(latency_ms))
    known = [(device.basis, device.described, device.latency_ms) for device in held_out if device.known]
    prior = _most_probable([*known, (training.basis, described, latency_ms)])
    process = DeviceProcess.of(training.basis, prior, described, latency_ms)
    residuals = [device.residuals(prior) for device in held_out]
    left_out = np.array([latency_ms, process.left_out(latency_ms)[0]])
    pooled = Residuals(np.sort(np.concatenate(residuals)))
    return AdaptedLatency(process, process.error_scale(latency_ms), pooled, len(residuals), left_out)


def _most_probable(devices: Sequence[tuple[Basis, np.ndarray, np.ndarray]]) -> Prior:
    """Return the prior of the largest evidence over all devices: their bases, described probes and latencies."""
    return max(PRIORS, key=lambda prior: sum(DeviceProcess.of(b, prior, x, y).log_evidence(y) for b, x, y in devices))
