"""Dominance, hypervolume, and how good an answer to a budget is: pure functions of arrays.

``objectives`` is always an array of shape (n, 2): error (percent) and latency (ms), both minimized. A row that is not
finite is ignored in a set, and is a refusal among answers. ``true`` holds the objectives of the
true frontier, or of a best-known one, on the device in question.
"""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np

ERROR, VALUE = 0, 1
"""Columns of ``objectives``."""

REFERENCE_POINT = (1.1, 1.1)
"""Reference point of the hypervolume, in objectives scaled by the true frontier."""


def is_nondominated(objectives: np.ndarray) -> np.ndarray:
    """Return which rows are dominated by no other, the first of equal ones only; bool, shape (n,).

    >>> is_nondominated(np.array([[30.0, 2.0], [20.0, 4.0], [30.0, 3.0], [20.0, 4.0], [np.nan, 1.0]])).tolist()
    [True, True, False, False, False]
    """
    mask = np.isfinite(objectives).all(axis=1)
    if mask.any():
        mask[mask] = moocore.is_nondominated(objectives[mask])
    return mask


def frontier(objectives: np.ndarray) -> np.ndarray:
    """Return the indices of the nondominated rows, fastest first."""
    members = np.flatnonzero(is_nondominated(objectives))
    return members[np.argsort(objectives[members, VALUE])]


def best_under(latency_ms: np.ndarray, accuracy: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Return for each budget the index of the most accurate entry that holds it.

    Parameters
    ----------
    latency_ms, accuracy : ndarray, shape (n,)
    budgets : ndarray, shape (n_budgets,)
        In ms.

    Returns
    -------
    ndarray of int, shape (n_budgets,)
        The fastest of equally accurate entries; -1 where no entry holds the budget.

    Examples
    --------
    >>> best_under(np.array([4.0, 2.0, 3.0]), np.array([80.0, 70.0, 60.0]), np.array([1.0, 3.5, 4.0])).tolist()
    [-1, 1, 0]
    """
    order = np.lexsort((-accuracy, latency_ms))
    order = order[np.isfinite(accuracy[order]) & np.isfinite(latency_ms[order])]
    before = np.maximum.accumulate(np.concatenate([[-np.inf], accuracy[order]]))[:-1]
    record = np.maximum.accumulate(np.where(accuracy[order] > before, np.arange(len(order)), 0))
    n_holding = np.searchsorted(latency_ms[order], budgets, side="right")
    return np.concatenate([[-1], order[record]])[n_holding]


def scale(objectives: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the objectives min–max scaled over the true frontier, whose members fall into [0, 1]."""
    low, high = true.min(axis=0), true.max(axis=0)
    return (objectives - low) / np.where(high > low, high - low, 1.0)


def hypervolume(objectives: np.ndarray, reference_point: Sequence[float]) -> float:
    """Return the area that the rows dominate up to the reference point.

    >>> hypervolume(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]))
    3.0
    """
    finite = objectives[np.isfinite(objectives).all(axis=1)]
    return float(moocore.hypervolume(finite, ref=reference_point)) if len(finite) else 0.0


def hypervolume_ratio(
    objectives: np.ndarray, true: np.ndarray, reference_point: Sequence[float] = REFERENCE_POINT
) -> float:
    """Return the hypervolume of a set over that of the true frontier, both scaled by the latter; best is 1."""
    return hypervolume(scale(objectives, true), reference_point) / hypervolume(scale(true, true), reference_point)


def igd_plus(objectives: np.ndarray, true: np.ndarray) -> float:
    """Return the mean scaled distance by which the set misses the members of the true frontier; best is 0.

    References
    ----------
    Ishibuchi, Masuda, Tanigaki, Nojima 2015, "Modified Distance Calculation in Generational Distance and Inverted
    Generational Distance": the definition of IGD+.
    """
    members = objectives[is_nondominated(objectives)]
    return float(moocore.igd_plus(scale(members, true), ref=scale(true, true))) if len(members) else np.inf


def gd_plus(objectives: np.ndarray, true: np.ndarray) -> float:
    """Return the mean scaled distance by which the nondominated rows lie behind the true frontier; best is 0.

    Notes
    -----
    It is IGD+ with the two sets, and with them the sense of the objectives, exchanged.
    """
    members = objectives[is_nondominated(objectives)]
    if not len(members):
        return np.inf
    return float(moocore.igd_plus(scale(true, true), ref=scale(members, true), maximise=True))


def budgets(true: np.ndarray, n: int = 100) -> np.ndarray:
    """Return n budgets (ms), evenly spaced from the fastest member's latency (excluded) to the most accurate one's.

    >>> budgets(np.array([[30.0, 2.0], [20.0, 4.0]]), n=4).tolist()
    [2.5, 3.0, 3.5, 4.0]
    """
    members = true[frontier(true)]
    return np.linspace(members[0, VALUE], members[-1, VALUE], n + 1)[1:]


def holds(answers: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Return which answers are no slower than their budget, shape (n_budgets,); a refusal is not one of them."""
    return np.isfinite(answers).all(axis=1) & (answers[:, VALUE] <= budgets)


def regret(answers: np.ndarray, budgets: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return how many points of accuracy each answer stays below the best that holds its budget.

    Parameters
    ----------
    answers : ndarray, shape (n_budgets, 2)
        True objectives of what was answered to each budget; a row of NaN is a refusal.
    budgets : ndarray, shape (n_budgets,)
        In ms, none below the fastest member of the true frontier.
    true : ndarray, shape (n, 2)

    Returns
    -------
    ndarray, shape (n_budgets,)
        An answer that violates its budget, and a refusal, count with the accuracy of the fastest architecture.
    """
    members = true[frontier(true)]
    best = members[best_under(members[:, VALUE], -members[:, ERROR], budgets), ERROR]
    return np.where(holds(answers, budgets), answers[:, ERROR], members[0, ERROR]) - best


def answer_metrics(
    answers: np.ndarray, budgets: np.ndarray, true: np.ndarray, reference_point: Sequence[float] = REFERENCE_POINT
) -> dict[str, float | None]:
    """Return every metric of the answers to some budgets.

    Parameters
    ----------
    answers : ndarray, shape (n_budgets, 2)
        True objectives of what was answered to each budget; a row of NaN is a refusal.
    budgets : ndarray, shape (n_budgets,)
        Those below the latency of the fastest member of the true frontier are infeasible.
    true : ndarray, shape (n, 2)

    Returns
    -------
    dict of str to float or None
        ``hypervolume_ratio``, ``mean_regret``, ``max_regret``: of feasible budgets; None if there are none.
        ``violation_rate``: share of the answers that are slower than their budget; refusals are no answers.
        ``overshoot_percent``: by how many percent these exceed it, on average; 0 where there are none.
        ``budget_use``: mean share of its budget that an answer uses, of those that hold it; 0 where none does.
        ``infeasible_refused``, ``feasible_answered``: shares of the budgets of either kind; 1 if there are none.
    """
    answered, holding = np.isfinite(answers).all(axis=1), holds(answers, budgets)
    violating, use = answered & ~holding, answers[:, VALUE] / budgets
    feasible = budgets >= true[:, VALUE].min(initial=np.inf)
    any_feasible, kept = feasible.any(), answers[feasible]
    points = regret(kept, budgets[feasible], true) if any_feasible else np.empty(0)
    return {
        "hypervolume_ratio": hypervolume_ratio(kept, true, reference_point) if any_feasible else None,
        "mean_regret": float(points.mean()) if any_feasible else None,
        "max_regret": float(points.max()) if any_feasible else None,
        "violation_rate": float(violating.sum() / max(answered.sum(), 1)),
        "overshoot_percent": 100.0 * _mean(use[violating] - 1.0, if_empty=0.0),
        "budget_use": _mean(use[holding], if_empty=0.0),
        "infeasible_refused": _mean(~answered[~feasible], if_empty=1.0),
        "feasible_answered": _mean(answered[feasible], if_empty=1.0),
    }


def _mean(values: np.ndarray, *, if_empty: float) -> float:
    return float(values.mean()) if len(values) else if_empty
