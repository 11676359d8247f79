"""How well a supernet ranks architectures, compared with training each alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from nagevo.measure.accuracy.base import Evaluator
from nagevo.spaces.base import SearchSpace, unique


def spread(space: SearchSpace, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return n different architectures from smallest to largest, about evenly spaced in log multiply–accumulates.

    Each candidate has its own tendency, uniform in [0, 1], towards the dear options of all choices, so that the whole
    range occurs (uniform draws crowd in its middle).

    Returns
    -------
    ndarray of int8, shape (n, n_choices)
        In order of their multiply–accumulates.
    """
    options = np.asarray(space.n_options) - 1
    drawn = rng.binomial(options, rng.random((200 * n, 1)), size=(200 * n, space.n_choices))
    candidates = unique(np.concatenate([space.extremes(), space.canonical(drawn.astype(np.int8))]))
    effort = np.log(space.costs(candidates)["macs"])
    order = np.argsort(effort, kind="stable")
    chosen: list[int] = []
    for goal in np.linspace(effort.min(), effort.max(), n):
        left = order[~np.isin(order, chosen)]
        chosen.append(left[np.argmin(np.abs(effort[left] - goal))])
    return candidates[chosen]


def validate_supernet(supernet: Evaluator, alone: list[Evaluator], choices: np.ndarray) -> tuple[pd.DataFrame, float]:
    """Return the accuracies of architectures by both ways, and how far the two orders agree.

    Parameters
    ----------
    supernet : Evaluator
        With its weights loaded; read on the validation split, as the search reads it.
    alone : list of Evaluator
        Evaluators that train each architecture alone, one for each seed; read on the test split and averaged.
    choices : ndarray of int8, shape (n, n_choices)

    Returns
    -------
    table : DataFrame
        ``architecture``, ``supernet_accuracy``, ``alone_accuracy`` (percent).
    tau : float
        Kendall's tau-b between the two accuracies.
    """
    space = supernet.space
    shared = supernet.evaluate(choices)["accuracy"].to_numpy()
    trained = [evaluator.evaluate(choices, split="test")["accuracy"].to_numpy() for evaluator in alone]
    table = pd.DataFrame(
        {
            "architecture": space.to_text(choices),
            "supernet_accuracy": shared,
            "alone_accuracy": np.mean(trained, axis=0),
        }
    )
    return table, float(kendalltau(table["supernet_accuracy"], table["alone_accuracy"]).statistic)
