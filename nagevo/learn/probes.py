"""Which architectures to measure on a new device, so that few latencies are as informative as possible.

References
----------
Chaloner, Verdinelli 1995, "Bayesian Experimental Design: A Review": designs that minimize a variance (A-optimal), and
designs that minimize the loss of the decision that the measurements are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nagevo.foundation import frontier
from nagevo.learn.conformal import MAX_RESIDUALS, near_frontier
from nagevo.learn.device_process import Basis, Prior, relative_covariance

DESIGN_PRIORS = Prior(1.0, 0.2, 0.5, 0.03), Prior(1.0, 0.02, 0.5, 0.03)
"""Priors under which probes are chosen: of a device with costs of its own, and of one that resembles known ones."""
N_INFORMATIVE = 3
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
    The first :data:`N_INFORMATIVE` follow a greedy A-optimal design: each reduces most the variance of the relative
    latency of all rows, as a share of what it was before anything was measured, summed over the priors. They help to
    tell which known device the new one resembles. Each further one reduces the regret of answers on the known devices
    most, where a probed row can answer budgets above its latency, and any other row only budgets above its bound,
    :data:`DEVIATIONS` higher. Where no row reduces it, the variance decides.
    """
    basis = Basis.of(described, len(known_ms))
    designs = [_Design.of(*relative_covariance(basis, described, prior), prior.noise) for prior in DESIGN_PRIORS]
    known = np.zeros(len(described), dtype=bool)
    chosen: list[int] = []
    for row in first:
        designs, known[row] = [design.measured(row) for design in designs], True
    devices = [_KnownAnswers.of(latency_ms, accuracy) for latency_ms in known_ms]
    for number in range(len(first), len(first) + min(n, len(described) - len(first))):
        gain = np.where(known, -np.inf, np.sum([design.gain() for design in designs], axis=0))
        row = int(gain.argmax())
        if number >= N_INFORMATIVE:
            rows = np.flatnonzero(~known)
            regret = np.sum(
                [device.regret_after(rows, design, known) for device in devices for design in designs], axis=0
            )
            row = int(rows[np.lexsort((-gain[rows], regret))[0]])
        chosen.append(row)
        designs, known[row] = [design.measured(row) for design in designs], True
    return np.array(chosen, dtype=int)


@dataclass(frozen=True)
class _Design:
    """Mean and covariance of the relative latency of all rows under one prior, given the probes chosen so far.

    Attributes
    ----------
    mean : ndarray, shape (n_rows,)
        Prior mean.
    covariance : ndarray, shape (n_rows, n_rows)
    noise : ndarray, shape (n_rows,)
        Variance of a measurement.
    total : float
        Relative variance of all rows before anything was measured.
    """

    mean: np.ndarray
    covariance: np.ndarray
    noise: np.ndarray
    total: float

    @classmethod
    def of(cls, mean: np.ndarray, covariance: np.ndarray, noise: float) -> _Design:
        """Return the design before any probe, with the relative standard deviation of a measurement."""
        return cls(mean, covariance, (noise * mean) ** 2, float((np.diag(covariance) / mean**2).sum()))

    def gain(self) -> np.ndarray:
        """Return the share of the variance of all rows that each row's measurement would explain, shape (n_rows,)."""
        relative = self.covariance / self.mean[:, None]
        return (relative**2).sum(axis=0) / (np.diag(self.covariance) + self.noise) / self.total

    def measured(self, row: int) -> _Design:
        """Return the design once a row is a probe too."""
        column = self.covariance[row]
        return replace(self, covariance=self.covariance - np.outer(column, column) / (column[row] + self.noise[row]))


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
        rows = measured[near_frontier(np.column_stack([-accuracy, latency_ms])[measured], MAX_RESIDUALS)]
        rows = rows[np.argsort(accuracy[rows], kind="stable")]
        budgets = frontier.budgets(np.column_stack([-accuracy, latency_ms])[rows]) if len(rows) else np.empty(0)
        return cls(rows, latency_ms[rows], accuracy[rows], budgets)

    def regret_after(self, probes: np.ndarray, design: _Design, known: np.ndarray) -> np.ndarray:
        """Return by how much less accurate the answers are than the best one, summed, if each probe is measured.

        Only differences between probes matter, so that what the best answers have is left out.

        Parameters
        ----------
        probes : ndarray of int, shape (n_probes,)
        known : ndarray of bool, shape (n_rows,)
            Rows that were measured already.
        """
        rows, covariance, noise = self.rows, design.covariance, design.noise
        explained = covariance[np.ix_(probes, rows)] ** 2 / (covariance[probes, probes] + noise[probes])[:, None]
        std = np.sqrt(np.maximum(covariance[rows, rows] - explained, 0.0) + noise[rows]) / design.mean[rows]
        std[(probes[:, None] == rows) | known[rows]] = 0.0
        bound = self.latency_ms * np.exp(DEVIATIONS * std)  # (n_probes, n)
        best = np.zeros((len(probes), len(self.budgets)), dtype=int)  # the least accurate where nothing holds
        for place in range(len(rows)):
            best[bound[:, place, None] <= self.budgets] = place
        return -self.accuracy[best].sum(axis=1) if len(rows) else np.zeros(len(probes))
