"""The default strategy: surrogates, evolution on them, and infill by expected hypervolume improvement.

References
----------
Emmerich, Giannakoglou, Naujoks 2006, "Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian Random
Field Metamodels": expected improvement of the hypervolume. Latencies are predicted far better than accuracies, so that
here only the error is uncertain; the expectation is then a sum over the steps of the frontier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nagevo.evolution import evolve
from nagevo.frontier import frontier
from nagevo.measurements import Measurements
from nagevo.spaces.base import SearchSpace, unique, without
from nagevo.strategies.base import Strategy
from nagevo.strategies.improvement import Frontier
from nagevo.surrogates import AccuracySurrogate, LatencySurrogate, fit_accuracy, fit_latency


class SurrogateEvolution(Strategy):
    """Fit surrogates, evolve on them, and propose what promises the largest hypervolumes of all devices together.

    Parameters
    ----------
    space, devices, seed, evaluations
        As for every strategy.
    initial : int, optional
        Size of the initial design.
    population, generations : int
        Of the evolution in each round, for each device.
    optimism : float
        How many standard deviations more accurate than predicted an architecture counts in the evolution.
    """

    def __init__(
        self,
        space: SearchSpace,
        devices: Sequence[str],
        *,
        seed: int = 0,
        evaluations: int = 200,
        population: int = 100,
        generations: int = 40,
        optimism: float = 1.0,
    ):
        super().__init__(space, devices, seed=seed, evaluations=evaluations)
        self.population, self.generations, self.optimism = population, generations, optimism

    @classmethod
    def round_sizes(cls, evaluations: int, rounds: int | None = None) -> list[int]:
        """Return how many architectures each round proposes: an initial design, then equal rounds."""
        rounds = max(1, min(rounds or cls.default_rounds, evaluations))
        initial = max(math.ceil(evaluations / rounds), min(20, evaluations // 4))
        if rounds == 1:
            return [evaluations]
        rest = min(rounds - 1, evaluations - initial)
        return [initial, *(len(part) for part in np.array_split(np.empty(evaluations - initial), rest))]

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        if len(self._complete()) < 4:
            return self.first_new(initial_design(self.space, 4 * n, rng=rng), n, rng=rng)
        accuracy, latency = self._fit()
        pool = self._pool(accuracy, latency, rng)
        return self.first_new(self._infill(pool, accuracy, latency, n), n, rng=rng)

    def _complete(self) -> Measurements:
        return self.measurements.complete(self.devices[0])

    def _fit(self) -> tuple[AccuracySurrogate, dict[str, LatencySurrogate]]:
        told, features = self.measurements, self.space.features(self.measurements.choices)
        accuracy = fit_accuracy(features, told.accuracy, seed=self.seed)
        return accuracy, {
            device: fit_latency(features, told.latency_ms[device], seed=self.seed) for device in self.devices
        }

    def _pool(self, accuracy, latency, rng) -> np.ndarray:
        """Return the new architectures among which the infill chooses."""
        found = []
        for device in self.devices:
            measured = self.measurements.complete(device)
            best = measured.choices[frontier(measured.objectives(device))]

            def objective(choices: np.ndarray, device=device) -> np.ndarray:
                features = self.space.features(choices)
                mean, std = accuracy.predict_with_std(features)
                return np.column_stack([-(mean + self.optimism * std), latency[device].predict(features)])

            evolved = evolve(
                self.space,
                objective,
                population=self.population,
                generations=self.generations,
                initial=best,
                rng=rng,
            ).choices
            around = [self.space.neighbors(row) for row in best]
            found += [evolved, *around]
        return without(unique(np.concatenate(found)), self.evaluated())

    def _infill(self, pool, accuracy, latency, n) -> np.ndarray:
        """Return n architectures of the pool, each with the largest improvement expected after those before it."""
        features = self.space.features(pool)
        mean, std = accuracy.predict_with_std(features)
        predicted = {device: latency[device].predict(features) for device in self.devices}
        frontiers = {d: Frontier.of(self.measurements.complete(d).objectives(d)) for d in self.devices}
        chosen: list[int] = []
        for _ in range(min(n, len(pool))):
            gain = sum(f.expected_improvement(100 - mean, std, predicted[d]) for d, f in frontiers.items())
            gain[chosen] = -1.0
            best = int(gain.argmax())
            chosen.append(best)
            frontiers = {d: f.extended(100 - mean[best], predicted[d][best]) for d, f in frontiers.items()}
        return pool[chosen]


def initial_design(space: SearchSpace, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return architectures that cover the space: the extremes, then half from small to large, half anywhere."""
    level = rng.random((n, 1))
    graded = space.normal(
        rng.binomial(np.asarray(space.n_options) - 1, level, size=(n, space.n_choices)).astype(np.int8)
    )
    both = np.stack([graded, space.sample(n, rng=rng)], axis=1).reshape(-1, space.n_choices)
    return unique(np.concatenate([space.extremes(), both]))
