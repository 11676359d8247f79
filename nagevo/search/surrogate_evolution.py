"""The default strategy: surrogates, evolution on them, and infill by expected hypervolume improvement.

References
----------
Emmerich, Giannakoglou, Naujoks 2006, "Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian Random
Field Metamodels": expected improvement of the hypervolume; see :mod:`nagevo.search.improvement`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, cast

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.frontier import VALUE, frontier
from nagevo.foundation.options import Option
from nagevo.learn.fitting import SurrogateName, fit_latency
from nagevo.learn.predictor import Predictor
from nagevo.learn.prior import best_known, fit_cheap, fit_readings, read_prior
from nagevo.learn.surrogate import AccuracySurrogate
from nagevo.measure.measurements import Measurements
from nagevo.measure.tables import read_architectures
from nagevo.search.base import Strategy
from nagevo.search.config import RangeConfig, StopConfig
from nagevo.search.improvement import Frontier, best_batch
from nagevo.search.nsga2 import evolve
from nagevo.spaces.base import RowIndex, SearchSpace, among, unique, without

DESIGN_SIZE = 25
"""Size of the initial design, at most a quarter of the evaluations. Later rounds measure architectures close together,
which says little about the rest: without a broad design the surrogate stays too low at the accurate end."""
MIN_COMPLETE = 4
"""Minimum number of complete measurements on each device before surrogates propose. Without a prior or cheap readings
it is at least the number of choices of the space."""
MAX_KNOWN = 20_000
"""Maximum number of architectures of known latency and unknown accuracy that are considered in each round."""


@dataclass(eq=False, repr=False, kw_only=True)
class SurrogateEvolution(Strategy):
    """Fit surrogates, run NSGA-II on them, and propose the architectures with the largest expected hypervolume gain."""

    default_rounds: ClassVar[int] = 40
    uses_cheap_readings: ClassVar[bool] = True

    population: Annotated[int, Option("Architectures in a generation on the surrogates.", ge=4)] = 200
    generations: Annotated[int, Option("Generations on the surrogates in each round.", ge=1)] = 100
    optimism: Annotated[
        float,
        Option("Number of standard deviations added to predicted accuracies; higher values explore more.", ge=0),
    ] = 1.0
    surrogate: Annotated[
        SurrogateName,
        Option(
            "Predictors of accuracy and latency, of the search and of the generator: a `mix` of Gaussian processes "
            "and boosted trees, weighted by their cross-validated errors; `pairs`, a Gaussian process of all pairs of "
            "choices; `evidence`, all of these; or `xgboost`, boosted trees alone. Accuracies are predicted in percent "
            "or as logarithms of the error, whichever predicts the better half of left-out ones better."
        ),
    ] = "mix"
    range: Annotated[
        Mapping[str, Sequence[float] | None] | None,
        Option(
            "Range of each measured quantity in which the evaluations are spent; null for everywhere.", of=RangeConfig
        ),
    ] = None
    candidates: Annotated[
        str | None,
        Option(
            "Table of the only architectures that may be proposed, such as networks measured elsewhere; null for all.",
            path=True,
        ),
    ] = None
    prior: Annotated[
        str | None,
        Option(
            "Table of measurements that the search begins with, of the same or a related space or device, as a search "
            "writes it; predictions from it are used if they improve cross-validated accuracies. Null for none.",
            path=True,
        ),
    ] = None
    stop: Annotated[
        Mapping[str, float] | None,
        Option("Condition under which the search ends early; null for none.", of=StopConfig),
    ] = None

    def __post_init__(self):
        super().__post_init__()
        self.ending = None if self.stop is None else StopConfig(**cast(dict[str, Any], self.stop))
        limits = {name: each for name, each in (self.range or {}).items() if each is not None}
        self.limits = {name: _limits(name, each) for name, each in limits.items()}
        self.earlier = None if self.prior is None else read_prior(self.prior, self.space)
        self._cheap: tuple[Measurements | None, AccuracySurrogate | None] | None = None
        self.allowed: np.ndarray | None = None
        if self.candidates is not None:
            self.allowed = unique(self.space.normal(read_architectures(self.candidates, self.space)))
            if len(self.allowed) < self.evaluations:
                raise ConfigError(
                    f"search.evaluations: expected at most {len(self.allowed)}, the architectures of "
                    f"{self.candidates}, got {self.evaluations}"
                )

    @classmethod
    def round_sizes(cls, evaluations: int, rounds: int | None = None) -> list[int]:
        """Return how many architectures each round proposes: a small initial design, then equal rounds."""
        equal = super().round_sizes(evaluations, rounds)
        first = max(equal[0], min(DESIGN_SIZE, evaluations // 4))
        if len(equal) == 1 or first == evaluations:
            return [evaluations]
        return [first, *super().round_sizes(evaluations - first, len(equal) - 1)]

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        told = self.measurements
        informed = self.earlier is not None or told.cheap is not None
        n_needed = max(MIN_COMPLETE, 0 if informed else self.space.n_choices)
        if min(len(told.complete(device)) for device in self.devices) < n_needed:
            return self._proposed(self._design(n, rng), n, rng)
        predictor = self._fitted()
        infill, gain = self._infill(predictor, self._pool(predictor, rng), n)
        return self._proposed(infill, 0 if self._ends(gain) else n, rng)

    def ask_cheaply(self, n: int) -> np.ndarray:
        """Return n architectures: the evaluated ones, as many of the most promising as cover the space."""
        evaluated, rng = self.evaluated(), self.round_rng()
        half = (n - len(evaluated)) // 2
        promising = self.ask(half) if half > 0 else evaluated[:0]
        covering = self._proposed(self._design(n, rng), n, rng)
        return unique(np.concatenate([evaluated, promising, covering]))[:n]

    def _ends(self, expected: float) -> bool:
        """Return whether the search ends here, given by how much the next round is expected to raise hypervolumes.

        The answer is the same until something is measured, so that all later rounds are empty.
        """
        told = self.measurements
        if self.ending is None or told.n_rounds <= self.ending.rounds:
            return False
        earlier = told.rows(told.round < told.n_rounds - self.ending.rounds)
        frontiers = {device: self._frontier(device) for device in self.devices}
        gained = sum(each.gain_over(earlier.complete(device).objectives(device)) for device, each in frontiers.items())
        most = self.ending.gain * sum(each.hypervolume for each in frontiers.values())
        return max(gained, self.ending.rounds * expected) < most

    def _design(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return architectures that cover the space, first those of which no known latency is out of range."""
        design = initial_design(self.space, n, rng=rng) if self.allowed is None else rng.permutation(self.allowed)
        if self.earlier is not None:
            best = best_known(self.earlier, n // 2)
            best = best if self.allowed is None else best[among(best, self.allowed)]
            design = unique(np.concatenate([best, design]))
        if not self.limits:
            return design
        if self.allowed is None:
            design = unique(np.concatenate([design, rng.permutation(self.measurements.choices)]))
        rows = RowIndex(self.measurements.choices).rows(design)
        outside = np.zeros(len(design), dtype=bool)
        for device in self.devices:
            values = np.append(self.measurements.values[device], np.nan)[rows]
            outside |= np.isfinite(values) & ~self._within(device, values)
        return design[np.argsort(outside, kind="stable")]

    def _proposed(self, ranked: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the first n of the ranked architectures that are new, completed by random ones, or by candidates."""
        if self.allowed is None:
            return self.first_new(ranked, n, rng=rng)
        ranked = np.concatenate([ranked, rng.permutation(self.allowed)])
        return without(unique(ranked), self.evaluated())[:n]

    def _within(self, device: str, values: np.ndarray) -> np.ndarray:
        """Return which values of a device are in range, bool."""
        low, high = self.limits.get(self.measurements.quantities[device], (0.0, np.inf))
        return (low <= values) & (values <= high)

    def _frontier(self, device: str) -> Frontier:
        """Return the measured frontier of a device, within the range if there is any measurement."""
        objectives = self.measurements.complete(device).objectives(device)
        within = self._within(device, objectives[:, VALUE])
        return Frontier.of(objectives[within] if within.any() else objectives)

    def _fitted(self) -> Predictor:
        """Return surrogates of accuracy and latency; a latency needs none where it is known of the whole space."""
        told = self.measurements
        partly = [device for device, values in told.values.items() if np.isfinite(values).sum() < self.space.size]
        known = np.isfinite([told.accuracy, *(told.values[device] for device in partly)])
        told = told.rows(np.asarray(known.any(axis=0)))
        features = self.space.features(told.choices)
        latency = {
            device: fit_latency(features, told.values[device], surrogate=self.surrogate, seed=self.seed)
            for device in partly
        }
        accuracy = fit_readings(self.space, told, surrogate=self.surrogate, prior=self._prior(), seed=self.seed)
        return Predictor(self.space, self.measurements, accuracy, latency, exact=self.devices)

    def _prior(self) -> AccuracySurrogate | None:
        """Return the surrogate of the cheap readings, fitted once, or else of the prior."""
        cheap = self.measurements.cheap
        if self._cheap is None or self._cheap[0] is not cheap:
            prior = self._prior_surrogate
            self._cheap = cheap, fit_cheap(self.space, cheap, surrogate=self.surrogate, prior=prior, seed=self.seed)
        return self._cheap[1]

    @cached_property
    def _prior_surrogate(self) -> AccuracySurrogate | None:
        """The surrogate of the prior's accuracies."""
        if self.earlier is None:
            return None
        return fit_readings(self.space, self.earlier, surrogate=self.surrogate, seed=self.seed)

    def _error(self, predictor: Predictor, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the predicted error and its standard deviation times the optimism, in percent, both of shape (n,)."""
        mean, std = predictor.accuracy_surrogate.predict_with_std(self.space.features(choices), noise=False)
        return 100.0 - mean, self.optimism * std

    def _pool(self, predictor: Predictor, rng: np.random.Generator) -> np.ndarray:
        """Return the new architectures among which the infill chooses.

        They are what evolves from the measured frontier of each device, its neighbors, and whatever has a known
        latency; or the candidates of the config.
        """
        if self.allowed is not None:
            return without(self.allowed, self.evaluated())
        only_latency = self.measurements.choices[self.measurements.round < 0]
        found = [only_latency if len(only_latency) <= MAX_KNOWN else rng.permutation(only_latency)[:MAX_KNOWN]]
        for device in self.devices:
            measured = self.measurements.complete(device)
            best = measured.choices[frontier(measured.objectives(device))]
            found += [self.space.neighbors(row) for row in best]
            if len(self.measurements) < self.space.size:
                found.append(self._evolved(predictor, device, best, rng))
        return without(unique(np.concatenate(found)), self.evaluated())

    def _evolved(self, predictor: Predictor, device: str, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return architectures evolved on the surrogates of a device's latency and, optimistically, of accuracy."""

        def objective(choices: np.ndarray) -> np.ndarray:
            error, std = self._error(predictor, choices)
            objectives = np.column_stack([error - std, predictor.latency_ms(device, choices)])
            searched = predictor.feasible(device, choices) & self._within(device, objectives[:, VALUE])
            return np.where(searched[:, None], objectives, np.nan)

        found = evolve(
            self.space, objective, initial=start, rng=rng, population=self.population, generations=self.generations
        )
        return found.choices

    def _infill(self, predictor: Predictor, pool: np.ndarray, n: int) -> tuple[np.ndarray, float]:
        """Return n architectures of the pool, each with the largest expected gain once those before it are measured.

        Also returned is by how much they are expected to raise the hypervolumes of all devices together.
        """
        error, std = self._error(predictor, pool)
        latency = np.array([predictor.latency_ms(device, pool) for device in self.devices])
        searched = [
            predictor.feasible(device, pool) & self._within(device, values)
            for device, values in zip(self.devices, latency, strict=True)
        ]
        frontiers = [self._frontier(device) for device in self.devices]
        chosen, expected = best_batch(frontiers, error, std, latency, n, searched=np.array(searched))
        return pool[chosen], expected


def _limits(quantity: str, limits: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest value of a range."""
    if len(limits) != 2 or limits[0] >= limits[1]:
        raise ConfigError(f"range: {quantity}: expected a lowest and a higher highest value, got {list(limits)}")
    return float(limits[0]), float(limits[1])


def initial_design(space: SearchSpace, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return n or more architectures that cover the space, the most informative first.

    The extremes come first. Then architectures whose choices tend to be all cheap or all expensive alternate with
    uniform ones, because in a large space uniform ones are all of medium size.
    """
    level = rng.random((n, 1))
    drawn = rng.binomial(np.asarray(space.n_options) - 1, level, size=(n, space.n_choices))
    graded, uniform = space.normal(drawn.astype(np.int8)), space.sample(n, rng=rng)
    in_turn = np.stack([graded, uniform], axis=1).reshape(-1, space.n_choices)
    return unique(np.concatenate([space.extremes(), in_turn]))
