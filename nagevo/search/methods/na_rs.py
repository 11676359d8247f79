"""NA-RS: random search for architectures that stand in good neighborhoods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from nagevo.foundation.frontier import frontier
from nagevo.foundation.options import Option
from nagevo.search.base import Strategy
from nagevo.spaces.base import RowIndex, SearchSpace

AGGREGATES: dict[str, Callable[..., Any]] = {"mean": np.nanmean, "median": np.nanmedian, "worst": np.nanmax}
"""Statistic of the errors of a neighborhood."""


@dataclass(eq=False, repr=False, kw_only=True)
class NeighborhoodRandomSearch(Strategy):
    """Draw architectures at random, and rank each by the aggregated error of itself and its neighbors (NA-RS).

    References
    ----------
    Wang, Cao, Li, Kitani (2021), "Neighborhood-Aware Neural Architecture Search", BMVC, arXiv 2105.06369. The paper's
    abstract gives the objective, an aggregate of the performance over the neighborhood, and that random search with it
    is NA-RS. Its formulas were not at hand, so these are design choices of nagevo: neighbors differ in one choice, ten
    drawn at random stand for all, and their mean is the default.

    Deviations: the paper returns the one architecture with the best aggregate; here a frontier is searched, each
    architecture counting with its aggregated error and its own latency. The mode ``surrogate`` is nagevo's: it spends
    evaluations on centers only and leaves their neighborhoods to the surrogates of the default strategy.
    """

    mode: Annotated[
        Literal["surrogate", "measured"],
        Option("Whether the errors of neighborhoods are predicted, or measured as published."),
    ] = "surrogate"
    aggregate: Annotated[
        Literal["mean", "median", "worst"],
        Option("Statistic of the errors of a neighborhood."),
    ] = "mean"
    n_neighbors: Annotated[int, Option("Random neighbors that represent a neighborhood.", ge=1)] = 10
    draws: Annotated[int, Option("Architectures drawn in a round (mode surrogate).", ge=1)] = 1000
    initial: Annotated[int, Option("Random architectures before the first surrogate.", ge=4)] = 40

    def __post_init__(self):
        super().__post_init__()
        self.initial = min(self.initial, max(self.evaluations // 4, 4))

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        if self.mode == "measured":
            return self.first_new(self._neighborhoods(n), n, rng=rng)
        if min(len(self.measurements.complete(device)) for device in self.devices) < self.initial:
            return self.first_new(self.space.sample(n, rng=rng), n, rng=rng)
        return self.first_new(self._flattest(n, rng=rng), n, rng=rng)

    def _neighborhoods(self, n: int) -> np.ndarray:
        """Return at least n unmeasured members of the sequence of neighborhoods that the seed fixes."""
        members, number = np.empty((0, self.space.n_choices), dtype=np.int8), 0
        n_needed = min(len(self.evaluated()) + n, self.space.size)
        while len(members) < n_needed and number < self.evaluations:
            rng = np.random.default_rng([self.seed, number])
            center = self.space.sample(1, rng=rng)
            around = rng.permutation(self.space.neighbors(center[0]))[: self.n_neighbors]
            members, number = np.concatenate([members, center, around]), number + 1
        return members

    def _flattest(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return n new architectures, those first that are nondominated by predicted aggregate and latency."""
        from nagevo.learn.fitting import fit_accuracy, fit_latency

        features = self.space.features(self.measurements.choices)
        accuracy = fit_accuracy(features, self.measurements.accuracy, seed=self.seed)
        centers = self.space.sample_distinct(
            min(self.draws, self.space.size - len(self.evaluated())), rng=rng, exclude=self.evaluated()
        )
        near = random_neighbors(self.space, centers, self.n_neighbors, rng=rng)
        around = np.concatenate([centers[:, None], near], axis=1)  # (n_centers, 1 + n_neighbors, n_choices)
        seen = self.space.features(around.reshape(-1, self.space.n_choices))
        error = AGGREGATES[self.aggregate](100.0 - accuracy.predict(seen).reshape(around.shape[:2]), axis=1)
        ranked = []
        for device, share in self.shares(n).items():
            latency = fit_latency(features, self.measurements.values[device], seed=self.seed)
            predicted = latency.predict(self.space.features(centers))
            ranked.append(centers[nondominated_first(np.column_stack([error, predicted]), share, rng=rng)])
        return np.concatenate(ranked)

    def flat_frontier(self, device: str) -> np.ndarray:
        """Return what is nondominated by aggregated measured error and latency, shape (n, n_choices), fastest first.

        Only architectures count that have ``n_neighbors`` measured neighbors, or all that they have.
        """
        table = self.measurements.complete(device)
        index = RowIndex(table.choices)
        centers, errors = [], []
        for row, architecture in enumerate(table.choices):
            neighbors = self.space.neighbors(architecture)
            near = index.rows(neighbors)
            near = near[near >= 0]
            if len(near) >= min(self.n_neighbors, len(neighbors)):
                centers.append(row)
                errors.append(AGGREGATES[self.aggregate](100.0 - table.accuracy[[row, *near]]))
        objectives = np.column_stack([errors, table.values[device][centers]])
        return table.choices[centers][frontier(objectives)]


def random_neighbors(space: SearchSpace, choices: np.ndarray, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return n random neighbors of each architecture, in normal form, repetitions possible.

    Returns
    -------
    ndarray of int8, shape (n_architectures, n, n_choices)
    """
    n_options = np.asarray(space.n_options)
    rows = np.repeat(choices, n, axis=0)
    columns = rng.choice(np.flatnonzero(n_options > 1), size=len(rows))
    every = np.arange(len(rows))
    rows[every, columns] = (rows[every, columns] + rng.integers(1, n_options[columns])) % n_options[columns]
    return space.normal(rows).reshape(len(choices), n, space.n_choices)


def nondominated_first(objectives: np.ndarray, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return n rows: the frontier in random order, then the frontier of the rest, and so on."""
    left = np.arange(len(objectives))
    ranked: list[np.ndarray] = []
    while len(left) and sum(map(len, ranked)) < n:
        ranked.append(rng.permutation(left[frontier(objectives[left])]))
        left = np.setdiff1d(left, ranked[-1])
    return np.concatenate([*ranked, left[:0]])[:n]
