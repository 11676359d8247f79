"""How good the answers are when their networks are measured again, beside those of the best measured network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nagevo.experiment.sections import EvaluationConfig
from nagevo.foundation import frontier
from nagevo.foundation.errors import DataError, InfeasibleBudget
from nagevo.generator.answer import Answer
from nagevo.generator.generator import Generator
from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import SearchSpace

METHODS = ("generator", "best_measured")
"""The generator; the best network measured in the search, without a margin."""


def answers(generator: Generator, searched: Measurements, config: EvaluationConfig) -> pd.DataFrame:
    """Return what each method answers to the budgets of each device that was measured in the search.

    Returns
    -------
    DataFrame
        ``device, confidence, budget, method, architecture, accuracy, expected, promised``: the last two in the unit of
        the device's quantity; ``architecture`` is missing where a budget was refused. The generator is asked at the
        confidence of the config, or at the highest that the measurements on the device support.
    """
    rows = []
    for device in searched.values:
        known = searched.complete(device)
        if not len(known):
            raise DataError(f"no architecture has both an accuracy and a latency on {device}: nothing can be answered")
        asked = frontier.budgets(known.objectives(device), config.budgets)
        confidence = generator.supported(config.confidence, device)
        generated = generator.answers(asked.tolist(), device=device, confidence=confidence)
        given = [_generated(answer) for answer in generated], _looked_up(generator.space, known, device, asked)
        rows += [
            {"device": device, "confidence": confidence, "budget": budget, "method": method} | entry
            for method, entries in zip(METHODS, given, strict=True)
            for budget, entry in zip(asked, entries, strict=True)
        ]
    return pd.DataFrame(rows)


def _generated(result: Answer | InfeasibleBudget) -> dict[str, object]:
    if isinstance(result, InfeasibleBudget):
        return {"architecture": None}
    return {
        "architecture": result.architecture,
        "accuracy": result.accuracy,
        "expected": result.value,
        "promised": result.bound,
    }


def _looked_up(space: SearchSpace, table: Measurements, device: str, asked: np.ndarray) -> list[dict[str, object]]:
    texts, accuracy, values = space.to_text(table.choices), table.accuracy, table.values[device]
    return [
        {"architecture": None}
        if row < 0
        else {
            "architecture": texts[row],
            "accuracy": accuracy[row],
            "expected": values[row],
            "promised": values[row],
        }
        for row in frontier.best_under(values, accuracy, asked)
    ]


def measured_again(given: pd.DataFrame, accuracies: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Return the answers with ``test_accuracy``, ``measured`` and ``raw`` value, and what each occasion measured.

    Values are medians over the ``occasions``; NaN where measuring failed.

    Parameters
    ----------
    given : DataFrame
        As returned by :func:`answers`.
    accuracies : DataFrame
        ``architecture, accuracy`` on the test split.
    values : DataFrame
        ``architecture, device, measured, raw``: in the condition of the device, and as it was; a row for each occasion.
    """
    scores = accuracies.rename(columns={"accuracy": "test_accuracy"})[["architecture", "test_accuracy"]]
    by_network = values.groupby(["architecture", "device"], sort=False)
    again = by_network[["measured", "raw"]].median()
    again["occasions"] = by_network["measured"].apply(
        lambda read: read.astype(object).where(read.notna(), None).tolist()
    )
    known = given.merge(scores, how="left", on="architecture")
    return known.merge(again.reset_index(), how="left", on=["architecture", "device"])


def metrics(again: pd.DataFrame, reference_point: Sequence[float]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return the benchmark's metrics by device and method.

    The reference frontier of a device is that of all networks measured again on it: of the answers of all methods.
    """
    result: dict[str, dict[str, dict[str, float | None]]] = {}
    for device, rows in again.groupby("device", sort=False):
        objectives = np.column_stack([100.0 - rows["test_accuracy"].to_numpy(float), rows["measured"].to_numpy(float)])
        best_known = objectives[frontier.frontier(objectives)]
        budgets, methods = rows["budget"].to_numpy(), rows["method"].to_numpy()
        result[str(device)] = {
            method: frontier.answer_metrics(
                objectives[methods == method], budgets[methods == method], best_known, reference_point
            )
            for method in METHODS
        }
    return result


def summary(again: pd.DataFrame, evaluations: int, config: EvaluationConfig) -> dict[str, Any]:
    """Return what ``evaluation.json`` holds: the metrics and every answer.

    A device on which a lower confidence was asked for than that of the config has its own ``confidence``.
    """
    by_device = metrics(again, config.reference_point)
    asked = again.groupby("device")["confidence"].first()
    lower = {str(device): float(confidence) for device, confidence in asked[asked < config.confidence].items()}
    table = again.drop(columns="confidence").astype(object).where(again.notna(), None)
    return {
        "evaluations": evaluations,
        "confidence": config.confidence,
        "devices": {
            device: {
                "metrics": by_device[device],
                "answers": table[table["device"] == device].drop(columns="device").to_dict(orient="records"),
            }
            | ({"confidence": lower[device]} if device in lower else {})
            for device in by_device
        },
    }
