"""How surrogates are fitted: folds, shares of the mix, uncertainty, and the calibration of the bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.learn import regression, trees
from nagevo.learn.conformal import Residuals, chosen_weights
from nagevo.learn.surrogate import (
    LATENCY_FLOOR,
    AccuracySurrogate,
    ErrorScale,
    LatencySurrogate,
    LogOf,
    Member,
    Regression,
    row_hashes,
    std_shares,
)

SurrogateName = Literal["mix", "evidence", "pairs", "xgboost"]
"""``mix``: Gaussian processes with a length for each feature and boosted trees; ``pairs``: a Gaussian process of all
pairs of choices; ``evidence``: all of these; ``xgboost``: boosted trees alone."""

Fit = tuple[Regression | trees.Boosters, np.ndarray, np.ndarray]
"""A member, its cross-validated predictions and their standard deviations."""

N_FOLDS = 5
SHARE_STEPS = 10
"""Number of steps from 0 to 1 in which shares of the mix are chosen."""
MIN_MEASUREMENTS = 2
"""Minimum number of measurements that a surrogate is fitted to."""
MAX_MEASUREMENTS = 1000
"""Maximum number, so that its cost stays bounded."""
WITHIN_ONE_STD = 0.683
"""Share of normal values within one standard deviation."""


def fit_accuracy(
    features: np.ndarray,
    accuracy: np.ndarray,
    *,
    standard_error: np.ndarray | None = None,
    surrogate: SurrogateName = "mix",
    prior: AccuracySurrogate | None = None,
    seed: int = 0,
) -> AccuracySurrogate:
    """Return a surrogate of accuracy.

    Parameters
    ----------
    features : ndarray of float32, shape (n, n_features)
        As returned by :meth:`SearchSpace.features`.
    accuracy : ndarray, shape (n,)
        Percent; rows with NaN are left out.
    standard_error : ndarray, shape (n,), optional
        Of each accuracy, in points; NaN where unknown. It is noise to the Gaussian processes, and not to the trees.
    surrogate : {"mix", "evidence", "pairs", "xgboost"}
        See :data:`SurrogateName`.
    prior : AccuracySurrogate, optional
        Fitted to an earlier search in the same or a related space. Its prediction becomes one more feature, unless
        left-out accuracies are predicted no better with it.
    seed : int
        Fixes the folds and the trees.

    Raises
    ------
    DataError
        If fewer than two accuracies are known.

    References
    ----------
    Kennedy, O'Hagan 2000, "Predicting the output from a complex computer code when fast approximations are available",
    equation 1: the finer code is a multiple of the coarser one plus a process of its own. Here the kernel has a part
    that is linear in the prior's prediction; the smooth part and the trees allow for relations that are not linear.
    """
    uncertain = np.zeros(len(accuracy)) if standard_error is None else np.nan_to_num(standard_error)
    rows = _rows(accuracy, "accuracies", seed)
    features, accuracy, uncertain = features[rows], accuracy[rows], uncertain[rows]
    fitted = _fitted_accuracy(features, accuracy, uncertain, surrogate, seed)
    if prior is None:
        return fitted
    inputs = np.column_stack([features, prior.scaled(features)])
    informed = _fitted_accuracy(inputs, accuracy, uncertain, surrogate, seed, n_prior=1)
    errors = [np.abs(each.left_out[0] - each.left_out[1]).mean() for each in (fitted, informed)]
    return replace(informed, prior=prior) if errors[1] < errors[0] else fitted


def _fitted_accuracy(
    features: np.ndarray,
    accuracy: np.ndarray,
    uncertain: np.ndarray,
    surrogate: SurrogateName,
    seed: int,
    n_prior: int = 0,
) -> AccuracySurrogate:
    """Return a surrogate of accuracies, all known; for ``n_prior`` see :func:`.regression.fit_smooth`."""
    folds = make_folds(len(accuracy), seed)
    scale, by_pairs = _best_scale(features, accuracy, uncertain, folds, n_prior)
    target, noise = scale.transformed(accuracy), (uncertain / scale.slope(accuracy)) ** 2
    fits: list[Fit] = []
    if surrogate in ("mix", "evidence"):
        fits.append(regression.fit_smooth(features, target, folds, noise, n_prior=n_prior))
    if surrogate in ("pairs", "evidence"):
        fits.append(by_pairs)
    if surrogate != "pairs":
        fits.append(trees.fit(features, target, folds, seed=seed))
    members, out_of_fold, deviations = zip(*fits, strict=True)
    shares = best_shares(np.array(out_of_fold), target)
    weights = std_shares(members, shares)
    predicted, std = shares @ np.array(out_of_fold), weights @ np.array(deviations)
    std_factor = float(np.quantile(np.abs(target - predicted) / std, WITHIN_ONE_STD))
    left_out = np.array([accuracy, scale.restored(predicted)])
    counts = (shares > 0) | (weights > 0)
    return AccuracySurrogate(scale, _counting(members, counts), shares[counts], std_factor, left_out)


def fit_latency(
    features: np.ndarray,
    latency_ms: np.ndarray,
    *,
    accuracy: np.ndarray | None = None,
    occasions: np.ndarray | None = None,
    surrogate: SurrogateName = "mix",
    seed: int = 0,
) -> LatencySurrogate:
    """Return a surrogate of the latency on one device.

    Parameters
    ----------
    features : ndarray of float32, shape (n, n_features)
    latency_ms : ndarray, shape (n,)
        Rows with NaN are left out.
    accuracy : ndarray, shape (n,), optional
        Percent, NaN where unknown. With it the bound is calibrated, on architectures that are chosen as answers are,
        and predicted by a fit in which they had no part: see :mod:`nagevo.learn.conformal`. It takes five further
        fits.
    occasions : ndarray of int, shape (n,), optional
        Which rows were measured at the same time. With it an occasion is left out as a whole, so that the bound holds
        on another one: the speed of a machine drifts.
    surrogate : {"mix", "evidence", "pairs", "xgboost"}
    seed : int
        Fixes the folds and the trees.

    Raises
    ------
    DataError
        If fewer than two latencies are known.
    """
    refit = accuracy is not None
    accuracy = np.full(len(latency_ms), np.nan) if accuracy is None else accuracy
    occasions = np.zeros(len(latency_ms), dtype=int) if occasions is None else occasions
    rows = _rows(latency_ms, "latencies", seed)
    features, latency_ms, accuracy, occasions = features[rows], latency_ms[rows], accuracy[rows], occasions[rows]
    folds = make_folds(len(latency_ms), seed, occasions)
    logarithm, floor = np.log(latency_ms), LATENCY_FLOOR * latency_ms.min()
    fits: list[tuple[Member | trees.Boosters, np.ndarray]] = []
    if surrogate != "xgboost":  # the latency itself adds up over layers
        fit = regression.fit_pairs if surrogate == "pairs" else regression.fit_smooth
        additive, additive_ms, _ = fit(features, latency_ms, folds, refit=refit)
        fits.append((LogOf(additive, floor), np.log(np.maximum(additive_ms, floor))))
    if surrogate in ("mix", "evidence"):
        fits.append(regression.fit_smooth(features, logarithm, folds, refit=refit)[:2])
    if surrogate != "pairs":
        fits.append(trees.fit(features, logarithm, folds, seed=seed)[:2])
    members, out_of_fold = zip(*fits, strict=True)
    shares = best_shares(np.array(out_of_fold), logarithm)
    predicted = shares @ np.array(out_of_fold)
    known = np.isfinite(accuracy).any()
    weights = chosen_weights(np.column_stack([-accuracy, predicted])) if known else None
    return LatencySurrogate(
        _counting(members, shares > 0),
        shares[shares > 0],
        floor,
        Residuals.of(logarithm - predicted, occasions, weights),
        np.array([latency_ms, np.exp(predicted)]),
        row_hashes(features),
    )


def _best_scale(
    features: np.ndarray, accuracy: np.ndarray, uncertain: np.ndarray, folds: Sequence[np.ndarray], n_prior: int
) -> tuple[ErrorScale, Fit]:
    """Return the scale on which the better half of the accuracies is predicted best, and the fit of pairs on it.

    Pairs are the cheapest member. What counts is the censored likelihood of left-out accuracies: the density of those
    from the median on, and the probability of lying below it for the others. The frontier is among the former, and the
    worst networks, whose errors are far larger, would decide a density of all.

    References
    ----------
    Diks, Panchenko, van Dijk 2011, "Likelihood-based scoring rules for comparing density forecasts in tails": the
    density of the better half alone would favor fits that expect too many in it.
    """
    from scipy.special import log_ndtr

    median = np.median(accuracy)
    found: list[tuple[float, ErrorScale, Fit]] = []
    for scale in (ErrorScale.of(accuracy), ErrorScale()):
        target, slope = scale.transformed(accuracy), scale.slope(accuracy)
        fit = regression.fit_pairs(features, target, folds, (uncertain / slope) ** 2, n_prior=n_prior)
        _, predicted, deviation = fit
        density = -0.5 * ((target - predicted) / deviation) ** 2 - np.log(deviation * slope * np.sqrt(2 * np.pi))
        below = log_ndtr((scale.transformed(median) - predicted) / deviation)
        found.append((float(np.where(accuracy < median, below, density).sum()), scale, fit))
    _, best, by_pairs = max(found, key=lambda each: each[0])
    return best, by_pairs


def make_folds(n: int, seed: int, occasions: np.ndarray | None = None) -> list[np.ndarray]:
    """Return a division of n rows into folds, as arrays of row numbers: by occasion if there are several, else random.

    >>> [fold.tolist() for fold in make_folds(3, 0, np.array([1, 0, 1]))]
    [[1], [0, 2]]
    """
    if occasions is not None and len(np.unique(occasions)) > 1:
        return [np.flatnonzero(occasions == occasion) for occasion in np.unique(occasions)]
    order = np.random.default_rng(seed).permutation(n)
    return np.array_split(order, min(N_FOLDS, n))


def best_shares(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the shares, adding up to 1, of the members whose mix comes nearest to the truth in the mean.

    Parameters
    ----------
    members : ndarray, shape (n_members, n)
    truth : ndarray, shape (n,)

    Examples
    --------
    >>> best_shares(np.array([[0.0, 0.0], [2.0, 4.0]]), np.array([1.0, 2.0])).tolist()
    [0.5, 0.5]
    """
    grid = np.array([row for row in product(range(SHARE_STEPS + 1), repeat=len(members)) if sum(row) == SHARE_STEPS])
    shares = grid / SHARE_STEPS  # (n_mixes, n_members)
    return shares[np.abs(shares @ members - truth).mean(axis=1).argmin()]


def _counting(members: Sequence[Any], counts: np.ndarray) -> tuple[Any, ...]:
    """Return the members that count for something, trees as arrays."""
    counting = [member for member, used in zip(members, counts, strict=True) if used]
    return tuple(member.trees() if isinstance(member, trees.Boosters) else member for member in counting)


def _rows(values: np.ndarray, what: str, seed: int) -> np.ndarray:
    """Return the rows that a surrogate is fitted to: those with a value, at most :data:`MAX_MEASUREMENTS`.

    Half of them are the newest ones and the others a sample of the rest: a search measures ever closer to the frontier,
    so that the newest rows are the most informative about it.
    """
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < MIN_MEASUREMENTS:
        raise DataError(f"a surrogate needs at least {MIN_MEASUREMENTS} {what}, got {len(known)} that did not fail")
    if len(known) <= MAX_MEASUREMENTS:
        return known
    rest, newest = np.split(known, [-(MAX_MEASUREMENTS // 2)])
    older = np.random.default_rng(seed).choice(len(rest), MAX_MEASUREMENTS - len(newest), replace=False)
    return np.concatenate([rest[np.sort(older)], newest])
