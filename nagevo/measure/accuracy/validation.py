"""How well a supernet ranks architectures, compared with training each alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from nagevo.measure.accuracy.base import Evaluator
from nagevo.spaces.base import SearchSpace, unique


def spread(space: SearchSpace, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return n different architectures from smallest to largest, about evenly spaced in log multiply–accumulates.

    Returns
    -------
    ndarray of int8, shape (n, n_choices)
        In order of their multiply–accumulates.
    """
    candidates = unique(np.concatenate([space.extremes(), space.sample_range(200 * n, rng=rng)]))
    effort = np.log(space.costs(candidates)["macs"])
    order = np.argsort(effort, kind="stable")
    chosen: list[int] = []
    for goal in np.linspace(effort.min(), effort.max(), n):
        left = order[~np.isin(order, chosen)]
        chosen.append(left[np.argmin(np.abs(effort[left] - goal))])
    return candidates[chosen]


def validate_supernet(supernet: Evaluator, alone: list[Evaluator], choices: np.ndarray) -> pd.DataFrame:
    """Return the accuracies of architectures by both ways.

    Parameters
    ----------
    supernet : Evaluator
        With its weights loaded; read on the validation split, as the search reads it, and on the test split.
    alone : list of Evaluator
        Evaluators that train each architecture alone, one for each seed; read on the test split and averaged.
    choices : ndarray of int8, shape (n, n_choices)

    Returns
    -------
    DataFrame
        ``architecture``, ``supernet_accuracy``, ``supernet_test_accuracy``, ``alone_accuracy`` (percent).
    """
    trained = [evaluator.evaluate(choices, split="test")["accuracy"].to_numpy() for evaluator in alone]
    return beside_alone(supernet, choices, np.mean(trained, axis=0))


def beside_alone(supernet: Evaluator, choices: np.ndarray, alone: np.ndarray) -> pd.DataFrame:
    """Return the table of :func:`validate_supernet`, where the accuracies of training alone, shape (n,), are known."""
    return pd.DataFrame(
        {
            "architecture": supernet.space.to_text(choices),
            "supernet_accuracy": supernet.evaluate(choices)["accuracy"].to_numpy(),
            "supernet_test_accuracy": supernet.evaluate(choices, split="test")["accuracy"].to_numpy(),
            "alone_accuracy": alone,
        }
    )


@dataclass(frozen=True)
class Agreement:
    """How far a supernet agrees with training each architecture alone.

    Attributes
    ----------
    networks : int
        Architectures that both ways gave an accuracy of.
    tau, rho : float
        Kendall's tau-b and Spearman's rank correlation between validation accuracy in the supernet, by which the search
        chooses, and test accuracy alone.
    below : float
        Points by which the supernet is below training alone on the test examples, on average.
    """

    networks: int
    tau: float
    rho: float
    below: float

    @classmethod
    def of(cls, table: pd.DataFrame) -> Agreement:
        """Return the agreement in a table of :func:`validate_supernet`."""
        table = table.dropna()
        ranked, alone = table["supernet_accuracy"], table["alone_accuracy"]
        return cls(
            networks=len(table),
            tau=float(kendalltau(ranked, alone).statistic),
            rho=float(spearmanr(ranked, alone).statistic),
            below=float((alone - table["supernet_test_accuracy"]).mean()),
        )

    def __str__(self) -> str:
        below = f"{abs(self.below):.1f} points {'below' if self.below >= 0 else 'above'}"
        return (
            f"Supernet against training {self.networks} networks alone: Kendall's tau {self.tau:.2f}, Spearman's rho "
            f"{self.rho:.2f}, {below} on average."
        )
