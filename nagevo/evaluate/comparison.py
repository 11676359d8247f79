"""How well strategies search: many histories against the same frontier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from nagevo.experiment.config import Experiment
from nagevo.foundation import frontier
from nagevo.foundation.errors import DataError
from nagevo.foundation.quantities import measured_quantity
from nagevo.foundation.tables import number_column, read_table, refuse
from nagevo.measure.accuracy import EVALUATORS
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import SearchSpace

ENUMERABLE = 100_000
"""Maximum size of a space that is read whole, where reading costs nothing."""

CURVE_POINTS = 20
"""Numbers of evaluations at which the hypervolume of a history is read."""


def references(experiment: Experiment, space: SearchSpace, histories: Iterable[Measurements]) -> dict[str, np.ndarray]:
    """Return the objectives of the frontier of each device that searches are measured against.

    It is the true one where the space can be read whole; else the best known one: what the config's
    ``compare.reference`` names and all histories together.
    """
    if is_enumerable(experiment, space):
        return true_frontiers(experiment, space)
    histories, result = list(histories), {}
    for device in experiment.devices:
        known = [history.objectives(device) for history in histories if device in history.values]
        if device in experiment.compare.reference:
            known.append(read_objectives(experiment.compare.reference[device]))
        objectives = np.concatenate(known)
        result[device] = objectives[frontier.frontier(objectives)]
    return result


def is_enumerable(experiment: Experiment, space: SearchSpace) -> bool:
    """Return whether the true frontiers can be read: a small space with tables for accuracies and latencies."""
    exact = reads_accuracies(experiment) and len(experiment.exact) == len(experiment.devices)
    return exact and space.size <= ENUMERABLE


def reads_accuracies(experiment: Experiment) -> bool:
    """Return whether accuracies come from a table or a formula, so that any number of them costs next to nothing."""
    return EVALUATORS.resolve(experiment.accuracy.name).exact


def neighborhood_spread(space: SearchSpace, evaluator: Evaluator, choices: np.ndarray) -> np.ndarray:
    """Return the standard deviation of accuracy over each architecture's neighborhood, in points, shape (n,).

    The neighborhood is the architecture and all that differ from it in one choice; what the evaluator cannot read is
    left out. Where it is small, a choice may change and little is lost, which is what NA-RS and NA-DARTS look for.

    Parameters
    ----------
    evaluator : Evaluator
        Whose accuracies cost next to nothing: all neighborhoods are read.
    choices : ndarray of int8, shape (n, n_choices)
    """
    neighborhoods = [np.concatenate([row[None], space.neighbors(row)]) for row in space.normal(choices)]
    accuracy = evaluator.evaluate(np.concatenate(neighborhoods))["accuracy"].to_numpy()
    ends = np.cumsum([len(rows) for rows in neighborhoods])[:-1]
    return np.array([np.nanstd(part) for part in np.split(accuracy, ends)])


def true_frontiers(experiment: Experiment, space: SearchSpace) -> dict[str, np.ndarray]:
    """Return the objectives of the true frontier of each device, by reading the whole space."""
    choices = space.enumerate()
    error = 100.0 - experiment.create_evaluator(space).evaluate(choices)["accuracy"].to_numpy()
    result = {}
    for name, device in experiment.devices.items():
        opened = device.create()
        objectives = np.column_stack([error, opened.measure(space, choices)[opened.measures]])
        result[name] = objectives[frontier.frontier(objectives)]
    return result


def read_objectives(path: str) -> np.ndarray:
    """Return the objectives in a table with ``accuracy`` (percent) and one quantity of a device, shape (n, 2)."""
    table = read_table(path, ("accuracy",))
    where, quantity = f"table {path}", measured_quantity(table, f"table {path}")
    accuracy, values = (number_column(table, column, where) for column in ("accuracy", quantity))
    refuse(table, "accuracy", ~((accuracy >= 0) & (accuracy <= 100)), "percent from 0 to 100", where)
    refuse(table, quantity, ~((values > 0) & np.isfinite(values)), "a positive finite number", where)
    if not len(table):
        raise DataError(f"{where}: expected a frontier, got no rows")
    return np.column_stack([100.0 - accuracy, values])


def search_metrics(
    history: Measurements,
    references: Mapping[str, np.ndarray],
    *,
    spread: Callable[[np.ndarray], np.ndarray] | None = None,
) -> pd.DataFrame:
    """Return the metrics of what a search measured, one row for each device.

    Parameters
    ----------
    references : mapping of str to ndarray, shape (n, 2)
        Objectives of the true or best-known frontier by device.
    spread : callable, optional
        From choices to the spread of accuracy over the neighborhood of each architecture, in points.

    Returns
    -------
    DataFrame
        ``device, hypervolume_ratio, mean_regret, max_regret, igd_plus, gd_plus, flatness``: of the measured set; the
        regret is that of the best measured network for each of the benchmark's budgets, and the last is the mean spread
        over the measured frontier, NaN without ``spread``.
    """
    rows = []
    for device, reference in _searched(history, references):
        objectives = history.objectives(device)
        points = _best_measured_regret(objectives, reference)
        members = history.choices[frontier.frontier(objectives)]
        rows.append(
            {
                "device": device,
                "hypervolume_ratio": frontier.hypervolume_ratio(objectives, reference),
                "mean_regret": points.mean(),
                "max_regret": points.max(),
                "igd_plus": frontier.igd_plus(objectives, reference),
                "gd_plus": frontier.gd_plus(objectives, reference),
                "flatness": float("nan") if spread is None else float(np.mean(spread(members))),
            }
        )
    return pd.DataFrame(rows)


def hypervolume_curve(
    history: Measurements, references: Mapping[str, np.ndarray], *, cheap_cost: float = 0
) -> pd.DataFrame:
    """Return the hypervolume ratio after some numbers of evaluations: ``device, evaluations, hypervolume_ratio``.

    Parameters
    ----------
    cheap_cost : float
        Cost of the cheap readings after the first round, in units of full ones: later evaluations count from there on.
    """
    evaluated = history.rows(history.round >= 0)
    numbers = np.unique(np.linspace(1, len(evaluated), CURVE_POINTS).round().astype(int))
    rows = [
        {
            "device": device,
            "evaluations": n + (cheap_cost if evaluated.round[n - 1] else 0),
            "hypervolume_ratio": frontier.hypervolume_ratio(evaluated.objectives(device)[:n], reference),
        }
        for device, reference in _searched(history, references)
        for n in numbers
    ]
    return pd.DataFrame(rows)


def regret_curve(history: Measurements, references: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the regret of the best measured network at each budget: ``device, budget, regret``."""
    tables = []
    for device, reference in _searched(history, references):
        points = _best_measured_regret(history.objectives(device), reference)
        tables.append(pd.DataFrame({"device": device, "budget": frontier.budgets(reference), "regret": points}))
    return pd.concat(tables, ignore_index=True)


def _searched(history: Measurements, references: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Return the devices of the references that a search was for, with their references."""
    return [(device, reference) for device, reference in references.items() if device in history.values]


def _best_measured_regret(objectives: np.ndarray, reference: np.ndarray) -> np.ndarray:
    budgets = frontier.budgets(reference)
    chosen = frontier.best_under(objectives[:, frontier.VALUE], -objectives[:, frontier.ERROR], budgets)
    answers = np.where(chosen[:, None] < 0, np.nan, objectives[chosen])
    return frontier.regret(answers, budgets, reference)
