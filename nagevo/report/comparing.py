"""Content of the page of a comparison: metrics with their spread over seeds, and curves between lowest and highest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

METRICS = ("hypervolume_ratio", "mean_regret", "max_regret", "igd_plus", "gd_plus", "flatness", "seconds")
KEYS = ["device", "strategy", "evaluations"]


def compare_content(
    experiment: str, reference: str, units: Collection[str], tables: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    """Return all that the page of a comparison shows.

    Parameters
    ----------
    reference : str
        Name of the frontier that searches were compared with, as shown.
    units : collection of str
        Units of the devices' quantities.
    tables : mapping of str to DataFrame
        ``metrics``, ``hypervolume`` and ``regret``, as ``nagevo compare`` writes them.
    """
    metrics = tables["metrics"]
    return {
        "experiment": experiment,
        "reference": reference,
        "unit": next(iter(units)) if len(units) == 1 else None,
        "seeds": int(metrics["seed"].nunique()),
        "devices": list(dict.fromkeys(metrics["device"])),
        "strategies": list(dict.fromkeys(metrics["strategy"])),
        "efforts": sorted(set(metrics["evaluations"].tolist())),
        "metrics": _finite(metrics_with_spread(metrics)).to_dict(orient="records"),
        "hypervolume": curves(
            tables["hypervolume"].rename(columns={"evaluations": "x", "effort": "evaluations"}), "hypervolume_ratio"
        ),
        "regret": curves(tables["regret"].rename(columns={"budget": "x"}), "regret"),
    }


def metrics_with_spread(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of every metric over the seeds, and in ``<metric>_spread`` its standard deviation.

    With one seed there is no spread: it is 0.
    """
    groups = metrics.groupby(KEYS, sort=False)
    spread = groups[list(METRICS)].std().fillna(0.0).add_suffix("_spread")
    return groups[list(METRICS)].mean().join(spread).assign(seeds=groups.size()).reset_index()


def curves(table: pd.DataFrame, value: str) -> list[dict[str, Any]]:
    """Return the median over the seeds at each ``x`` with the lowest and the highest, a curve for each search.

    Returns
    -------
    list of dict
        ``device, strategy, evaluations`` and the lists ``x, median, low, high``.
    """
    result: list[dict[str, Any]] = []
    for keys, rows in table.groupby(KEYS, sort=False):
        seeds = rows.groupby("x")[value]
        points = pd.DataFrame({"median": seeds.median(), "low": seeds.min(), "high": seeds.max()}).reset_index()
        result.append(
            dict(zip(KEYS, keys, strict=True)) | {str(k): v for k, v in points.to_dict(orient="list").items()}
        )
    return result


def _finite(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with None for what is absent or infinite, as JSON needs it."""
    numbers = table.replace([np.inf, -np.inf], np.nan)
    return numbers.astype(object).where(numbers.notna(), None)
