"""Which architectures to measure on a new device, so that few latencies are as informative as possible.

References
----------
Chaloner, Verdinelli 1995, "Bayesian Experimental Design: A Review": designs that minimize a variance (A-optimal), and
designs that minimize the loss of the decision that the measurements are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nagevo.foundation import frontier
from nagevo.learn.conformal import CALIBRATION, near_frontier
from nagevo.learn.device_process import PRIORS, Basis

N_INFORMATIVE = 2
"""Number of probes chosen to predict the latency of all architectures; later ones are chosen for good answers."""
DEVIATIONS = 1.3
"""Assumed distance of a bound from the prediction while probes are chosen, in standard deviations."""


def probe_order(
    described: np.ndarray, known_ms: np.ndarray, accuracy: np.ndarray, n: int, *, first: Sequence[int] = ()
) -> np.ndarray:
    """Return n rows, each the one whose latency is most informative once those before it are known.

    Parameters
    ----------
    described : ndarray, shape (n_rows, n_features + n_known)
    known_ms : ndarray, shape (n_known, n_rows)
        Latencies on the known devices, NaN where they failed.
    accuracy : ndarray, shape (n_rows,)
        Percent.
    n : int
        Fewer are returned where there are fewer rows.
    first : sequence of int
        Rows that are known already; they are not returned.

    Notes
    -----
    The first :data:`N_INFORMATIVE` follow a greedy A-optimal design: each reduces most the summed variance of the
    relative latency of all rows under the prior with medium hyperparameters. Each further one reduces the regret of
    answers on the known devices most, where a probed row can answer budgets above its latency, and any other row only
    budgets above its bound, :data:`DEVIATIONS` higher. Where no row reduces it, the variance decides.
    """
    prior, basis = PRIORS[len(PRIORS) // 2], Basis.of(described, len(known_ms))
    inputs = basis.inputs(described)
    mean = inputs[:, 0]
    covariance = basis.kernel(prior).between(inputs, inputs) + np.outer(mean, mean)  # the device's speed is unknown too
    noise = (prior.noise * mean) ** 2
    known = np.zeros(len(described), dtype=bool)
    chosen: list[int] = []
    for row in first:
        covariance, known[row] = _conditioned(covariance, row, noise[row]), True
    devices = [_KnownAnswers.of(latency_ms, accuracy) for latency_ms in known_ms]
    for number in range(len(first), len(first) + min(n, len(described) - len(first))):
        gain = ((covariance / mean[:, None]) ** 2).sum(axis=0) / (np.diag(covariance) + noise)
        gain[known] = -np.inf
        row = int(gain.argmax())
        if number >= N_INFORMATIVE:
            rows = np.flatnonzero(~known)
            regret = np.sum([device.regret_after(rows, covariance, noise, mean, known) for device in devices], axis=0)
            row = int(rows[np.lexsort((-gain[rows], regret))[0]])
        chosen.append(row)
        covariance, known[row] = _conditioned(covariance, row, noise[row]), True
    return np.array(chosen, dtype=int)


@dataclass(frozen=True)
class _KnownAnswers:
    """Best answers on a known device, to judge the value of knowing a latency.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Architectures near its frontier, the least accurate first.
    latency_ms, accuracy : ndarray, shape (n,)
        Latency and accuracy of these rows.
    budgets : ndarray, shape (n_budgets,)
    """

    rows: np.ndarray
    latency_ms: np.ndarray
    accuracy: np.ndarray
    budgets: np.ndarray

    @classmethod
    def of(cls, latency_ms: np.ndarray, accuracy: np.ndarray) -> _KnownAnswers:
        """Return it for the latencies of all rows, NaN where the device failed."""
        measured = np.flatnonzero(np.isfinite(latency_ms))
        rows = measured[near_frontier(np.column_stack([-accuracy, latency_ms])[measured], CALIBRATION)]
        rows = rows[np.argsort(accuracy[rows], kind="stable")]
        budgets = frontier.budgets(np.column_stack([-accuracy, latency_ms])[rows]) if len(rows) else np.empty(0)
        return cls(rows, latency_ms[rows], accuracy[rows], budgets)

    def regret_after(
        self, probes: np.ndarray, covariance: np.ndarray, noise: np.ndarray, mean: np.ndarray, known: np.ndarray
    ) -> np.ndarray:
        """Return by how much less accurate the answers are than the best one, summed, if each probe is measured.

        Only differences between probes matter, so that what the best answers have is left out.

        Parameters
        ----------
        probes : ndarray of int, shape (n_probes,)
        covariance : ndarray, shape (n_rows, n_rows)
        noise, mean : ndarray, shape (n_rows,)
        known : ndarray of bool, shape (n_rows,)
            Rows that were measured already.
        """
        rows = self.rows
        explained = covariance[np.ix_(probes, rows)] ** 2 / (covariance[probes, probes] + noise[probes])[:, None]
        std = np.sqrt(np.maximum(covariance[rows, rows] - explained, 0.0) + noise[rows]) / mean[rows]
        std[(probes[:, None] == rows) | known[rows]] = 0.0
        bound = self.latency_ms * np.exp(DEVIATIONS * std)  # (n_probes, n)
        best = np.zeros((len(probes), len(self.budgets)), dtype=int)  # the least accurate where nothing holds
        for place in range(len(rows)):
            best[bound[:, place, None] <= self.budgets] = place
        return -self.accuracy[best].sum(axis=1) if len(rows) else np.zeros(len(probes))


def _conditioned(covariance: np.ndarray, row: int, noise: float) -> np.ndarray:
    """Return the covariance once a row was measured."""
    return covariance - np.outer(covariance[row], covariance[row]) / (covariance[row, row] + noise)
