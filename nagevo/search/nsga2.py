"""NSGA-II on DEAP's toolbox, with every generation varied, evaluated and selected as one array.

References
----------
Deb, Pratap, Agarwal, Meyarivan 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II": nondominated
sorting, crowding distance and crowded tournament. Here architectures that mean the same network are never evaluated
twice, and everything evaluated is kept, not only the last population.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import moocore
import numpy as np
import pandas as pd
from deap import base, tools

from nagevo.foundation.progress import track
from nagevo.learn.predictor import Predictor
from nagevo.spaces.base import RowIndex, SearchSpace, unique

Objective = Callable[[np.ndarray], np.ndarray]
"""From choices, shape (n, n_choices), to objectives, shape (n, n_objectives), all minimized; a row with NaN is
infeasible, and behind all others."""

CROSSOVER_RATE = 0.9
INFEASIBLE = 1e300
"""All objectives of what is infeasible: finite, so that crowding distances are."""


@dataclass(frozen=True)
class Evolved:
    """Result of a run of :func:`evolve`.

    Attributes
    ----------
    choices : ndarray of int8, shape (n, n_choices)
        The nondominated ones of everything evaluated, in normal form, by ascending last objective.
    objectives : ndarray, shape (n, n_objectives)
        Minimized.
    log : DataFrame
        One row for each generation: ``generation``, ``evaluations`` (so far), ``nondominated`` (their number so far)
        and ``hypervolume`` (of everything evaluated so far, in the units of the objectives, up to 1.1 times the range
        of the initial population).
    """

    choices: np.ndarray
    objectives: np.ndarray
    log: pd.DataFrame


def evolve(
    space: SearchSpace,
    objective: Objective,
    *,
    population: int = 200,
    generations: int = 100,
    initial: np.ndarray | None = None,
    description: str | None = None,
    rng: np.random.Generator,
) -> Evolved:
    """Return the nondominated architectures of a run of NSGA-II.

    Parameters
    ----------
    objective : callable
        Called once for each generation with all its new architectures.
    generations : int
        The run ends earlier when the space holds nothing more to evaluate.
    initial : ndarray of int8, shape (n_initial, n_choices), optional
        Architectures to start from; completed by the extremes of the space and random ones up to ``population``, and
        all evaluated where they are more.
    description : str, optional
        Text of the progress; without it nothing is shown.
    """
    archive = _Archive(space, objective)
    toolbox = _toolbox(space, archive, population, rng)
    parents = toolbox.select(toolbox.evaluate(_first_generation(space, population, initial, rng)))
    reference_point = _reference_point(archive.objectives)
    logbook = tools.Logbook()
    logbook.record(generation=0, **archive.summary(reference_point))
    numbers = range(1, generations + 1)
    for generation in track(numbers, description) if description else numbers:
        offspring = toolbox.evaluate(toolbox.vary(parents))
        parents = toolbox.select(np.concatenate([parents.rows, offspring]))
        logbook.record(generation=generation, **archive.summary(reference_point))
        if len(archive.choices) >= space.size:
            break
    return Evolved(*archive.nondominated(), pd.DataFrame(logbook))


def evolve_frontier(predictor: Predictor, device: str, *, population: int, generations: int, seed: int) -> Evolved:
    """Return the estimated frontier of error and latency on a device, evolved from the architectures measured there."""
    return evolve(
        predictor.space,
        lambda choices: np.where(
            predictor.feasible(device, choices)[:, None], predictor.objectives(device, choices), np.nan
        ),
        population=population,
        generations=generations,
        initial=predictor.measurements.complete(device).choices,
        description=f"evolving the frontier on {device}",
        rng=np.random.default_rng(seed),
    )


class _Archive:
    """Everything evaluated: choices, objectives, and the nondominated among them."""

    def __init__(self, space: SearchSpace, objective: Objective):
        self._objective = objective
        self._index = RowIndex()
        self.choices = np.empty((0, space.n_choices), dtype=np.int8)
        self.objectives = np.empty((0, 0))
        self._best = np.empty(0, dtype=int)

    def evaluate(self, choices: np.ndarray) -> np.ndarray:
        """Return the numbers of the rows that were not evaluated before, evaluated as one array."""
        new = choices[self._index.rows(choices) < 0]
        if not len(new):
            return np.empty(0, dtype=int)
        values = np.asarray(self._objective(new), dtype=float)
        values[np.isnan(values).any(axis=1)] = INFEASIBLE
        self._index.add(new)
        first = len(self.choices)
        self.choices = np.concatenate([self.choices, new])
        self.objectives = np.concatenate([self.objectives, values]) if first else values
        candidates = np.concatenate([self._best, np.arange(first, len(self.choices))])
        self._best = candidates[moocore.is_nondominated(self.objectives[candidates])]
        return np.arange(first, len(self.choices))

    def summary(self, reference_point: np.ndarray) -> dict[str, float]:
        """Return the numbers that the log keeps of a generation."""
        volume = moocore.hypervolume(self.objectives[self._best], ref=reference_point)
        return {"evaluations": len(self.choices), "nondominated": len(self._best), "hypervolume": float(volume)}

    def nondominated(self) -> tuple[np.ndarray, np.ndarray]:
        """Return choices and objectives of the nondominated, by ascending last objective."""
        feasible = self._best[(self.objectives[self._best] < INFEASIBLE).all(axis=1)]
        best = feasible[np.argsort(self.objectives[feasible, -1], kind="stable")]
        return self.choices[best], self.objectives[best]


@dataclass(frozen=True)
class _Parents:
    """A population: numbers of rows of the archive, with the objectives of each, and its crowding distance."""

    rows: np.ndarray
    objectives: np.ndarray
    crowding: np.ndarray


def _toolbox(space: SearchSpace, archive: _Archive, population: int, rng: np.random.Generator) -> base.Toolbox:
    """Return DEAP's toolbox with operators on whole arrays; none draws from the global ``random``."""
    toolbox = base.Toolbox()
    toolbox.register("evaluate", archive.evaluate)
    toolbox.register("tournament", _crowded_tournament, rng=rng)
    toolbox.register("mate", space.crossover, rng=rng)
    toolbox.register("mutate", space.mutate, rng=rng)

    def select(rows: np.ndarray) -> _Parents:
        """Return the best rows by front, and of the front that does not fit the least crowded ones."""
        objectives = archive.objectives[rows]
        rank, crowding = fronts(objectives)
        kept = np.lexsort((-crowding, rank))[:population]
        return _Parents(rows[kept], objectives[kept], crowding[kept])

    def vary(parents: _Parents) -> np.ndarray:
        """Return as many distinct children as there are parents, or fewer."""
        rows = archive.choices[parents.rows]
        first, second = rows[toolbox.tournament(parents)], rows[toolbox.tournament(parents)]
        mated = toolbox.mate(first, second)
        crossed = rng.random((len(rows), 1)) < CROSSOVER_RATE
        return unique(toolbox.mutate(np.where(crossed, mated, first)))

    toolbox.register("select", select)
    toolbox.register("vary", vary)
    return toolbox


def fronts(objectives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nondominated front of each row, 1 for the best, and its crowding distance there, both of shape (n,).

    The crowding distance is the sum over the objectives of the distance between both neighbors in the front, as a share
    of the front's range; it is infinite at the ends.

    Examples
    --------
    >>> rank, crowding = fronts(np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0], [5.0, 5.0]]))
    >>> rank.tolist(), crowding.tolist()
    ([1, 1, 1, 2], [inf, 2.0, inf, inf])
    """
    rank = 1 + moocore.pareto_rank(objectives)
    crowding = np.zeros(len(objectives))
    for values in objectives.T:
        order = np.lexsort((values, rank))
        of_front = rank[order]
        begins = np.flatnonzero(np.diff(of_front, prepend=0))
        ends = np.append(begins[1:], len(order)) - 1
        span = np.repeat(values[order[ends]] - values[order[begins]], ends - begins + 1)
        gap = np.zeros(len(order))
        gap[1:-1] = values[order[2:]] - values[order[:-2]]
        gap = np.divide(gap, span, out=np.zeros(len(order)), where=span > 0)
        gap[begins] = gap[ends] = np.inf
        crowding[order] += gap
    return rank, crowding


def _crowded_tournament(parents: _Parents, *, rng: np.random.Generator) -> np.ndarray:
    """Return the winners' positions of as many crowded binary tournaments as there are parents.

    A parent wins by dominance, else by crowding distance, else by chance.
    """
    left, right = rng.integers(len(parents.rows), size=(2, len(parents.rows)))
    first, second = parents.objectives[left], parents.objectives[right]
    left_dominates = (first <= second).all(axis=1) & (first < second).any(axis=1)
    right_dominates = (second <= first).all(axis=1) & (second < first).any(axis=1)
    left_wins = left_dominates | (~right_dominates & (parents.crowding[left] > parents.crowding[right]))
    return np.where(left_wins, left, right)


def _first_generation(
    space: SearchSpace, population: int, initial: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Return the initial architectures, the extremes and random ones: distinct, at least ``population`` if possible."""
    given = space.extremes() if initial is None else np.concatenate([space.normal(initial), space.extremes()])
    given = unique(given)
    missing = max(0, min(population - len(given), space.size - len(given)))
    return np.concatenate([given, space.sample_distinct(missing, rng=rng, exclude=given)])


def _reference_point(objectives: np.ndarray) -> np.ndarray:
    """Return the worst corner of the objectives, moved out by a tenth of their range."""
    feasible = objectives[(objectives < INFEASIBLE).all(axis=1)]
    objectives = feasible if len(feasible) else objectives
    best, worst = objectives.min(axis=0), objectives.max(axis=0)
    return worst + 0.1 * np.maximum(worst - best, 1e-12)
