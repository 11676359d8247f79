"""Gaussian processes of the latency on one device that was measured a little, and their average.

A device's latency, in units of its own speed, is that of a base plus weighted deviations of the known devices from it,
weighted features, a smooth function of the features, and an overhead. Bases are the mean of the known devices, each of
them, and a constant. There is a process for each base and each prior; they are averaged by what the measurements say of
them, so that a device that resembles a known one is predicted from that one, and another one from all of them or from
the costs of single features.

References
----------
Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning", equation 2.30 (marginal likelihood), 2.40 (linear
weights with a prior), 5.12 (leave-one-out predictions). Hoeting, Madigan, Raftery, Volinsky 1999, "Bayesian Model
Averaging: A Tutorial": averages by posterior probability. Grünwald 2012, "The Safe Bayesian": likelihoods with an
exponent below 1, for models none of which is true; it learns the exponent, which is fixed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from nagevo.learn.gaussian import ROWS_AT_ONCE, distances, in_parts, inverse_of_lower, matern
from nagevo.learn.regression import feature_scale
from nagevo.learn.surrogate import LATENCY_FLOOR


class Prior(NamedTuple):
    """Hyperparameters of a process, or an array of each.

    Attributes
    ----------
    devices, features : float or ndarray
        Prior standard deviations of the weights of the known devices' deviations from the base, and of the features.
    overhead : float or ndarray
        Prior standard deviation of the overhead, in units of the mean latency.
    noise : float or ndarray
        Relative standard deviation of a measurement.
    """

    devices: Any
    features: Any
    overhead: Any
    noise: Any


PRIORS = np.array([*product((0.02, 0.1, 0.5, 1.0), (0.02, 0.1, 0.2, 0.5), (0.05, 0.5), (0.015, 0.03, 0.06, 0.12))])
"""Priors that are averaged over, shape (n_priors, 4); columns as in :class:`Prior`."""
SMOOTH, LENGTH = 0.05, 2.0
"""Prior standard deviation of the smooth part, and its length, in units of the spread of all features together."""
LIKELIHOOD_EXPONENT = 0.5
"""Exponent of the likelihood in the posterior probability of a process, so that few probes leave doubt."""
SHARE_STRENGTH = 10.0
"""Prior strength of equal shares of bases and priors, in devices."""
N_UPDATES = 30
"""Number of updates of the shares."""
POSTERIOR_MASS = 0.9
"""Sum of the posterior probabilities of the processes that are averaged, the most probable ones."""
EVIDENCE_PROBES = 200
"""Maximum number of probes that decide on shares; the processes are conditioned on all of them."""
ENTRIES_AT_ONCE = 2**20
"""Number of entries of covariances that are computed at a time."""
ERROR_STRENGTH = 5.0
"""Prior strength of the predicted size of errors, in pseudo-measurements."""


@dataclass(frozen=True)
class Described:
    """Architectures as the processes see them.

    Attributes
    ----------
    features : ndarray, shape (n, n_features)
        Scaled.
    relative : ndarray, shape (n, n_known)
        Latencies on the known devices, in units of the mean there.
    """

    features: np.ndarray
    relative: np.ndarray

    def bases(self) -> np.ndarray:
        """Return the relative latency on each base, shape (n_known + 2, n): the mean, each known device, a constant."""
        return np.vstack([self.relative.mean(axis=1), self.relative.T, np.ones(len(self.relative))])


@dataclass(frozen=True)
class Basis:
    """How architectures are described to the processes: by features, then by logarithms of known latencies.

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

    def scaled(self, described: np.ndarray) -> Described:
        """Return described architectures, shape (n, n_features + n_known), in the units of the processes."""
        n_features = len(self.center)
        features = (described[:, :n_features] - self.center) / self.spread
        return Described(features, np.exp(described[:, n_features:] - self.log_mean))


@dataclass(frozen=True)
class DeviceProcesses:
    """Gaussian processes of the relative latency on a device, given its probes, and their shares in the average.

    Attributes
    ----------
    features, relative : ndarray, shape (n_probes, …)
        The probes: see :class:`Described`.
    floor_ms : float
        Smallest latency that is predicted.
    base : ndarray of int, shape (n,)
        Number of each process' base: see :meth:`Described.bases`.
    prior : ndarray, shape (n, 4)
        Rows of :data:`PRIORS`.
    speed_ms : ndarray, shape (n,)
        Unit of latency: that of the device for architectures whose relative latency on the base is 1.
    whitener : ndarray, shape (n, n_probes, n_probes)
        Inverse of the Cholesky factor of the covariance of the probes.
    weights : ndarray, shape (n, n_probes)
        Weight of the kernel with each probe.
    share : ndarray, shape (n,)
        In the average; their sum is 1.
    """

    basis: Basis
    features: np.ndarray
    relative: np.ndarray
    floor_ms: float
    base: np.ndarray
    prior: np.ndarray
    speed_ms: np.ndarray
    whitener: np.ndarray
    weights: np.ndarray
    share: np.ndarray

    @classmethod
    def of(
        cls, basis: Basis, described: np.ndarray, latency_ms: np.ndarray, probability: np.ndarray
    ) -> DeviceProcesses:
        """Return the most probable processes, given the latencies of described probes.

        Parameters
        ----------
        described : ndarray, shape (n_probes, n_features + n_known)
        latency_ms : ndarray, shape (n_probes,)
        probability : ndarray, shape (n_bases, n_priors)
            Of each base and prior, as :func:`posterior` returns; those that make up :data:`POSTERIOR_MASS` are kept.
        """
        probes = basis.scaled(described)
        order = np.argsort(-probability, axis=None, kind="stable")
        n_kept = 1 + int(np.searchsorted(np.cumsum(probability.flat[order]), POSTERIOR_MASS))
        base, number = np.unravel_index(np.sort(order[:n_kept]), probability.shape)
        conditioned = _Conditioned.on(probes, latency_ms, base, PRIORS[number])
        whitener = np.array([inverse_of_lower(factor) for factor in conditioned.factor])
        kept = probability[base, number]
        return cls(
            basis,
            probes.features,
            probes.relative,
            LATENCY_FLOOR * float(latency_ms.min()),
            base,
            PRIORS[number],
            conditioned.speed_ms,
            whitener,
            np.einsum("mij,mi->mj", whitener, conditioned.white),
            kept / kept.sum(),
        )

    def predict(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return latencies in ms and the standard deviation of a measurement's logarithm, both of shape (n_rows,)."""
        at_once = max(1, min(ROWS_AT_ONCE, ENTRIES_AT_ONCE // self.weights.size))
        latency_ms, std = in_parts(self._predicted, described, at_once)
        return latency_ms, std

    def _predicted(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, probes = self.basis.scaled(described), Described(self.features, self.relative)
        kernel = _covariance(self.prior, self.base, rows, probes)
        relative = rows.bases()[self.base] + (kernel @ self.weights[:, :, None])[:, :, 0]
        relative = np.maximum(relative, self.floor_ms / self.speed_ms[:, None])
        explained = ((kernel @ self.whitener.transpose(0, 2, 1)) ** 2).sum(axis=2)
        variance = np.maximum(_variance(self.prior, self.base, rows) - explained, 0.0)
        noise = Prior(*self.prior.T[:, :, None]).noise
        return self._average(relative, variance / relative**2 + noise**2)

    def left_out(self, latency_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the latency of each probe predicted from the others, and the standard deviation of its logarithm.

        Each process leaves the probe out; its speed and its share in the average are those of all probes.
        """
        variance = 1 / (self.whitener**2).sum(axis=1)
        relative = latency_ms / self.speed_ms[:, None] - variance * self.weights
        relative = np.maximum(relative, self.floor_ms / self.speed_ms[:, None])
        return self._average(relative, variance / relative**2)

    def error_scale(self, latency_ms: np.ndarray) -> float:
        """Return the ratio of the errors of leave-one-out predictions to the predicted ones, shrunk towards 1."""
        predicted, std = self.left_out(latency_ms)
        squares = (np.log(latency_ms / predicted) / std) ** 2
        return float(np.sqrt((ERROR_STRENGTH + squares.sum()) / (ERROR_STRENGTH + len(squares))))

    def _average(self, relative: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the geometric mean of latencies in ms, and the standard deviation of their logarithm.

        The variance is that within the processes, of lognormal latencies, and that between them.

        Parameters
        ----------
        relative, variance : ndarray, shape (n, n_rows)
            Latency in units of the speed, and its relative variance.
        """
        logs = np.log(self.speed_ms[:, None] * relative)
        mean = self.share @ logs
        return np.exp(mean), np.sqrt(self.share @ np.log1p(variance) + self.share @ (logs - mean) ** 2)


@dataclass(frozen=True)
class _Conditioned:
    """Processes conditioned on probes, one for each base and prior given.

    Attributes
    ----------
    speed_ms : ndarray, shape (n,)
    factor : ndarray, shape (n, n_probes, n_probes)
        Cholesky factor of the covariance of the probes.
    white : ndarray, shape (n, n_probes)
        Whitened deviations of the relative latencies from the base.
    log_evidence : ndarray, shape (n,)
        Logarithm of the probability density of the logarithms of the latencies, but for a constant.
    """

    speed_ms: np.ndarray
    factor: np.ndarray
    white: np.ndarray
    log_evidence: np.ndarray

    @classmethod
    def on(cls, probes: Described, latency_ms: np.ndarray, base: np.ndarray, prior: np.ndarray) -> _Conditioned:
        """Return a process for each base and prior, shapes (n,) and (n, 4), given the latencies of the probes."""
        on_base, diagonal = probes.bases()[base], np.arange(len(latency_ms))
        speed_ms = np.exp((np.log(latency_ms) - np.log(on_base)).mean(axis=1))
        relative = latency_ms / speed_ms[:, None]
        covariance = _covariance(prior, base, probes, probes)
        covariance[:, diagonal, diagonal] += (Prior(*prior.T[:, :, None]).noise * relative) ** 2
        factor = np.linalg.cholesky(covariance)
        white = relative - on_base
        for row in diagonal:  # forward substitution of all processes at once: numpy has none for triangular factors
            explained = (factor[:, row, :row] * white[:, :row]).sum(axis=1)
            white[:, row] = (white[:, row] - explained) / factor[:, row, row]
        density = np.log(relative / factor[:, diagonal, diagonal]).sum(axis=1) - 0.5 * (white**2).sum(axis=1)
        return cls(speed_ms, factor, white, density)


def log_evidence(basis: Basis, described: np.ndarray, latency_ms: np.ndarray) -> np.ndarray:
    """Return the log marginal likelihood of described probes for each base and prior, shape (n_known + 2, n_priors).

    It is the logarithm of the probability density of the logarithms of the latencies, but for a constant; of more than
    :data:`EVIDENCE_PROBES`, that of so many, spread evenly over their order.
    """
    counted = np.linspace(0, len(latency_ms) - 1, min(len(latency_ms), EVIDENCE_PROBES)).round().astype(int)
    probes, latency_ms = basis.scaled(described[counted]), latency_ms[counted]
    at_once = max(1, ENTRIES_AT_ONCE // len(latency_ms) ** 2)
    parts = np.array_split(PRIORS, -(-len(PRIORS) // at_once))
    return np.array(
        [
            np.concatenate(
                [_Conditioned.on(probes, latency_ms, np.full(len(part), base), part).log_evidence for part in parts]
            )
            for base in range(len(basis.log_mean) + 2)
        ]
    )


def learned_shares(evidence: Sequence[np.ndarray]) -> np.ndarray:
    """Return how often devices follow each kind of base and each prior, shape (3, n_priors); the sum is 1.

    Kinds of base are the mean of the known devices, one of them, and a constant. The shares are those that explain the
    devices best, with equal shares as a Dirichlet prior of :data:`SHARE_STRENGTH` devices (expectation maximization:
    the posterior probabilities of each device's processes are counted, and in turn depend on the shares).

    Parameters
    ----------
    evidence : sequence of ndarray, shape (n_known + 2, n_priors)
        Of each device: see :func:`log_evidence`.
    """
    equal = np.full((3, len(PRIORS)), 1 / (3 * len(PRIORS)))
    shares = equal
    for _ in range(N_UPDATES):
        counts = SHARE_STRENGTH * equal
        for each in evidence:
            probability = posterior(each, shares)
            counts = counts + np.array([probability[0], probability[1:-1].sum(axis=0), probability[-1]])
        shares = counts / counts.sum()
    return shares


def posterior(evidence: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the posterior probability of each base and prior for a device, shape (n_known + 2, n_priors).

    Parameters
    ----------
    evidence : ndarray, shape (n_known + 2, n_priors)
        See :func:`log_evidence`.
    shares : ndarray, shape (3, n_priors)
        See :func:`learned_shares`; that of a known device as the base is divided among them.
    """
    n_known = len(evidence) - 2
    before = np.vstack([shares[:1], np.repeat(shares[1:2] / n_known, n_known, axis=0), shares[2:]])
    unscaled = before * np.exp(LIKELIHOOD_EXPONENT * (evidence - evidence.max()))
    return unscaled / unscaled.sum()


def relative_covariance(basis: Basis, described: np.ndarray, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean relative latency of described architectures and its covariance before anything was measured.

    The base is the mean of the known devices, times a speed that is unknown.

    Returns
    -------
    tuple of ndarray, shapes (n,) and (n, n)
    """
    rows = basis.scaled(described)
    mean = rows.bases()[0]
    return mean, _covariance(np.array([prior]), np.array([0]), rows, rows)[0] + np.outer(mean, mean)


def _covariance(prior: np.ndarray, base: np.ndarray, first: Described, second: Described) -> np.ndarray:
    """Return the covariance of relative latencies under each process, shape (n, n_first, n_second), without noise."""
    used, number = np.unique(base, return_inverse=True)
    deviations = [rows.relative - rows.bases()[used][:, :, None] for rows in (first, second)]
    of_devices = (deviations[0] @ deviations[1].transpose(0, 2, 1))[number]
    smooth = matern(distances(first.features / LENGTH, second.features / LENGTH))
    std = Prior(*prior.T[:, :, None, None])
    of_features = std.features**2 * (first.features @ second.features.T)
    return std.devices**2 * of_devices + of_features + SMOOTH**2 * smooth + std.overhead**2


def _variance(prior: np.ndarray, base: np.ndarray, rows: Described) -> np.ndarray:
    """Return the variance of the relative latency of each row under each process, shape (n, n_rows), without noise."""
    used, number = np.unique(base, return_inverse=True)
    of_devices = ((rows.relative - rows.bases()[used][:, :, None]) ** 2).sum(axis=2)[number]
    std = Prior(*prior.T[:, :, None])
    of_features = std.features**2 * (rows.features**2).sum(axis=1)
    return std.devices**2 * of_devices + of_features + SMOOTH**2 + std.overhead**2
