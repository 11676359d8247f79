"""How well a surrogate predicts measurements that were left out of its fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nagevo.learn.conformal import Residuals

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCES = (0.5, 0.8, 0.9, 0.95)


def validation_table(left_out: np.ndarray, residuals: Residuals | None = None) -> pd.DataFrame:
    """Return the cross-validated quality of a surrogate as ``metric, value``.

    Parameters
    ----------
    left_out : ndarray, shape (2, n)
        Truth, and predictions by fits that had not seen it.
    residuals : Residuals, optional
        Those that carry a one-sided bound.

    Returns
    -------
    DataFrame
        ``kendall_tau``, ``spearman``, ``median_absolute_percentage_error``, and where there is a bound
        ``coverage_<confidence>``: the share of the residuals below the margin that all others give, drift left aside.
    """
    import pandas as pd
    from scipy.stats import kendalltau, spearmanr

    truth, predicted = left_out
    metrics = {
        "architectures": len(truth),
        "kendall_tau": kendalltau(truth, predicted).statistic,
        "spearman": spearmanr(truth, predicted).statistic,
        "median_absolute_percentage_error": 100.0 * np.median(np.abs(predicted / truth - 1.0)),
    }
    if residuals is not None:
        metrics |= {f"coverage_{confidence:g}": coverage(residuals, confidence) for confidence in CONFIDENCES}
    return pd.DataFrame({"metric": metrics.keys(), "value": metrics.values()})


def coverage(residuals: Residuals, confidence: float) -> float:
    """Return the share of the residuals that lie below the margin of all others, on one occasion and without its drift.

    >>> coverage(Residuals(np.array([0.0, 1.0, 2.0, 3.0])), 0.5)
    0.5
    """
    values = residuals.values
    held = [value <= Residuals(np.delete(values, i)).margin(confidence) for i, value in enumerate(values)]
    return float(np.mean(held))
