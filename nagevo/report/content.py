"""Content of the report of an experiment: one dictionary from which the page and the figures are drawn.

Its values are plain lists, numbers and texts, ready for JSON; tables are dictionaries of columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from nagevo.evaluate.verdict import verdicts
from nagevo.experiment.config import Experiment
from nagevo.experiment.description import cheap_cost, effort
from nagevo.foundation import frontier
from nagevo.foundation.machine import describe, disturbance, stated
from nagevo.foundation.quantities import QUANTITIES
from nagevo.generator.generator import Generator
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.report.drawing import drawing
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.memory import PEAK, WEIGHTS

CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Confidences that a reader can choose from, as far as the measurements support them."""
SHOWN_POINTS = 500
"""Maximum number of points of a scatter plot; errors are those of all points."""
CURVE_POINTS = 200
"""Maximum number of points of a curve."""
COSTS = {
    "parameters": "Parameters",
    "macs": "Multiply–accumulates",
    PEAK: "Peak memory of activations",
    WEIGHTS: "Memory of weights",
}
UNITS = {PEAK: "kB", WEIGHTS: "kB"}
"""Names of the costs as shown; a space may have others."""
MARGIN = 0.08
"""Room around the frontier, as a share of its range."""


def content(
    experiment: Experiment,
    generator: Generator,
    searched: Measurements,
    frontiers: Mapping[str, pd.DataFrame],
    logs: Mapping[str, pd.DataFrame],
    evaluation: Mapping[str, Any],
    stages: pd.DataFrame,
    *,
    networks: Sequence[Mapping[str, Any]] = (),
    supernet: str | None = None,
    delivered: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that the report shows.

    Parameters
    ----------
    searched : Measurements
        From the search.
    frontiers, logs : mapping of str to DataFrame
        Tables of ``nagevo step evolve`` by device.
    evaluation : mapping
        Content of ``evaluation.json``.
    stages : DataFrame
        As returned by :func:`nagevo.report.timing.stages`.
    networks : sequence of mapping
        As returned by :func:`nagevo.report.delivered.delivered`.
    supernet : str, optional
        How far the supernet agrees with training alone, in a sentence.
    delivered : mapping, optional
        Content of ``networks/index.json``.
    """
    description, devices = generator.description, []
    for name, evaluated in evaluation["devices"].items():
        quantity, known = generator.quantity(name), searched.complete(name)
        best = known.rows(frontier.frontier(known.objectives(name)))
        device = {
            "name": name,
            "backend": experiment.device(name).backend.name,
            "quantity": {"name": quantity, **asdict(QUANTITIES[quantity])},
            "condition": _condition(generator.networks.condition(name)),
            "condition_again": _condition(evaluated.get("condition")),
            "limits": limits(generator, name),
            "exact": generator.candidates.devices[name].exact,
            "measured": _measured(known, name, generator.space),
            "frontier": _columns(frontiers[name].rename(columns={quantity: "value"})),
            "answers": [
                {"confidence": confidence, "offers": generator.offers(device=name, confidence=confidence)}
                for confidence in confidences(generator, name, evaluation["confidence"])
            ],
            "best_measured": _measured(best, name, generator.space),
            "hypervolume": hypervolume_curve(searched, name, cheap_cost(description)),
            "evolution": _columns(logs[name][["generation", "hypervolume"]]),
            "prediction": prediction(generator.predictor.latency_surrogates[name].left_out),
            "metrics": evaluated["metrics"],
            "again": _columns(pd.DataFrame(evaluated["answers"])),
        }
        devices.append(device | {"view": view(device)})
    return {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "evaluations": searched.n_evaluations,
        "effort": effort(description),
        "rounds": searched.n_rounds,
        "strategy": experiment.search.strategy.name,
        "evaluator": experiment.accuracy.name,
        "space": {"name": experiment.space.name, "size": short_number(generator.space.size)},
        "bundle": str(generator.folder),
        "confidence": evaluation["confidence"],
        "failures": description["failures"],
        "verdicts": verdicts(evaluation),
        "delivered": [] if delivered is None else delivered["networks"],
        "devices": devices,
        "networks": list(networks),
        "supernet": supernet,
        "prediction": prediction(generator.predictor.accuracy_surrogate.left_out),
        "measurements": _columns(searched.rows(searched.round != EXTRA_ROUND).to_frame(generator.space)),
        "stages": _columns(stages),
        "versions": description["versions"],
        "machine": description["machine"],
        "config": experiment.raw,
        "architectures": _described(generator.space, devices),
    }


def _condition(entry: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Return the condition in which a device was timed as texts, None where it is not known."""
    return None if entry is None else {"stated": stated(entry), "state": disturbance(entry), "text": describe(entry)}


def confidences(generator: Generator, device: str, evaluated: float) -> list[float]:
    """Return the confidences to choose from: those that the measurements support, of other quantities too."""
    highest = min(map(generator.highest_confidence, (device, *generator.others(device))))
    supported = sorted(value for value in {*CONFIDENCES, evaluated} if value <= highest)
    return supported or [highest]


def limits(generator: Generator, device: str) -> list[dict[str, str]]:
    """Return what can be limited beside the budget: ``name`` as in the offers, ``words`` and ``unit``."""
    found = []
    for other in generator.others(device):
        quantity = QUANTITIES[generator.quantity(other)]
        words = f"{quantity.words.capitalize()} on {other}"
        found.append({"name": generator.quantities.on(other), "words": words, "unit": quantity.unit})
    costs = generator.candidates.costs
    return [*found, *({"name": cost, "words": COSTS.get(cost, cost), "unit": UNITS.get(cost, "")} for cost in costs)]


def hypervolume_curve(searched: Measurements, device: str, cheap_cost: float = 0) -> dict[str, Any]:
    """Return how the hypervolume of a search grew, over that of everything it measured.

    Returns
    -------
    dict
        Numbers of ``evaluations``, the ``ratio`` after each, and where the rounds ended (``rounds``). After the first
        round, ``cheap_cost`` is added: the cost of the cheap readings, in units of full ones.
    """
    table = searched.rows(searched.round >= 0)
    objectives = table.objectives(device)
    best_known = objectives[frontier.frontier(objectives)]
    rounds = np.cumsum(np.bincount(table.round)).tolist() if len(table) else []
    even = np.linspace(1, len(objectives), min(len(objectives), CURVE_POINTS)).round().astype(int).tolist()
    counts = sorted({*even, *rounds})
    ratio = [frontier.hypervolume_ratio(objectives[:count], best_known) for count in counts]
    spent = {count: count + (cheap_cost if count > rounds[0] else 0) for count in counts}
    return {"evaluations": list(spent.values()), "ratio": ratio, "rounds": [spent[count] for count in rounds]}


def prediction(left_out: np.ndarray) -> dict[str, Any]:
    """Return measured values and a surrogate's predictions of architectures left out of its fit, with the errors.

    Parameters
    ----------
    left_out : ndarray, shape (2, n)
        Measured and predicted.

    Returns
    -------
    dict
        ``measured`` and ``predicted`` (some, where there are many), ``n``, ``mean_error`` (absolute, in the unit of the
        values), ``median_error_percent`` (relative to what was measured) and ``kendall_tau``.
    """
    measured, predicted = left_out
    error = np.abs(predicted - measured)
    tau = kendalltau(measured, predicted).statistic
    shown = np.linspace(0, len(measured) - 1, min(len(measured), SHOWN_POINTS)).round().astype(int)
    return {
        "measured": measured[shown].tolist(),
        "predicted": predicted[shown].tolist(),
        "n": len(measured),
        "mean_error": float(error.mean()),
        "median_error_percent": float(100.0 * np.median(error / np.maximum(np.abs(measured), 1e-12))),
        "kendall_tau": None if np.isnan(tau) else float(tau),
    }


def view(device: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the ranges of ``value`` and ``accuracy`` that show the frontier of a device and all its answers.

    Members far below the rest of the frontier, such as networks that do nothing, are left outside. ``device`` is an
    entry of ``devices`` in the content.
    """
    again = zip(device["again"]["measured"], device["again"]["test_accuracy"], strict=True)
    known = np.array([row for row in again if None not in row]).reshape(-1, 2)
    tables = [device["best_measured"], device["frontier"], {"value": known[:, 0], "accuracy": known[:, 1]}]
    answers = [steps(entry["offers"]) for entry in device["answers"]]
    values = [*(table["value"] for table in tables), *(table["bound"] for table in answers)]
    accuracy = [table["accuracy"] for table in (*tables, *answers)]
    return {
        "value": np.maximum(_widened(np.concatenate(values)), 0.0).tolist(),
        "accuracy": _widened(_without_stragglers(np.concatenate(accuracy))),
    }


def _without_stragglers(values: np.ndarray) -> np.ndarray:
    """Return the values without the lowest ones where a gap above them takes more than half of the range.

    >>> _without_stragglers(np.array([1.0, 42.0, 60.0, 70.0])).tolist()
    [42.0, 60.0, 70.0]
    """
    values = np.unique(values)
    wide = np.flatnonzero(np.diff(values) > 0.5 * np.ptp(values))
    return values[wide[-1] + 1 :] if len(wide) and wide[-1] + 2 < len(values) else values


def steps_at(device: Mapping[str, Any], confidence: float) -> dict[str, list[Any]]:
    """Return the steps of a device at the confidence nearest to the one asked for."""
    return steps(min(device["answers"], key=lambda entry: abs(entry["confidence"] - confidence))["offers"])


def steps(offers: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the rows of offers that are the answer to some budget without further limits, the smallest bound first.

    >>> steps({"accuracy": [70.0, 65.0, 60.0], "bound": [3.0, 4.0, 2.0], "parameters": [9, 5, 7]})
    {'accuracy': [60.0, 70.0], 'bound': [2.0, 3.0], 'parameters': [7, 9]}
    """
    rows = frontier.frontier(np.column_stack([-np.array(offers["accuracy"]), offers["bound"]]))
    return {name: [column[row] for row in rows] for name, column in offers.items()}


def short_number(value: int) -> str:
    """Return a count for people.

    >>> short_number(15625), short_number(21767823360000000000)
    ('15,625', '2.2 × 10^19')
    """
    if value < 10**9:
        return f"{value:,}"
    mantissa, exponent = f"{value:.1e}".split("e+")
    return f"{mantissa} × 10^{int(exponent)}"


def _widened(values: np.ndarray) -> list[float]:
    low, high = float(values.min()), float(values.max())
    room = MARGIN * (high - low) or 0.05 * abs(high) or 1.0
    return [low - room, high + room]


def _described(space: SearchSpace, devices: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return by text the drawing and the costs of every architecture that a device is answered with."""
    tables = [device["best_measured"] for device in devices]
    tables += [entry["offers"] for device in devices for entry in device["answers"]]
    texts = list(dict.fromkeys(text for table in tables for text in table["architecture"]))
    choices = space.from_text(texts)
    costs = space.needs(choices)
    return {
        text: {"drawing": drawing(space, row)} | {name: values[number].item() for name, values in costs.items()}
        for number, (text, row) in enumerate(zip(texts, choices, strict=True))
    }


def _measured(table: Measurements, device: str, space: SearchSpace) -> dict[str, list[Any]]:
    return {
        "architecture": space.to_text(table.choices),
        "accuracy": table.accuracy.tolist(),
        "value": table.values[device].tolist(),
    }


def _columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the columns of a table, None for what is absent."""
    return {str(name): column.astype(object).where(column.notna(), None).tolist() for name, column in frame.items()}
