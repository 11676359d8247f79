"""Time one NSGA-II run on the surrogates of a bundle, by nagevo and by pymoo: python evolution.py BUNDLE DEVICE.

Both start from random architectures, minimize error and latency as the surrogates believe them, and run for 100
generations of 200. pymoo gets its integer operators, which work on whole arrays, and no list of duplicates to drop but
its own. Both see the architectures in normal form.
"""

from __future__ import annotations

import sys
import time

import moocore
import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.pm import PolynomialMutation
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

import nagevo
from nagevo.search.nsga2 import evolve

POPULATION, GENERATIONS, REPEATS = 200, 100, 3


class Surrogates(Problem):
    """The surrogates as pymoo sees them; the time spent in them is kept."""

    def __init__(self, generator: nagevo.Generator, device: str):
        self.space, self.predictor, self.device = generator.space, generator.predictor, device
        self.calls, self.spent_s = 0, 0.0
        super().__init__(n_var=self.space.n_choices, n_obj=2, xl=0, xu=np.array(self.space.n_options) - 1, vtype=int)

    def objectives(self, choices: np.ndarray) -> np.ndarray:
        """Return error and latency of each architecture, shape (n, 2)."""
        began = time.perf_counter()
        values = self.predictor.objectives(self.device, self.space.normal(choices.astype(np.int8)))
        self.spent_s += time.perf_counter() - began
        self.calls += len(choices)
        return values

    def _evaluate(self, x: np.ndarray, out: dict, *args, **kwargs) -> None:
        out["F"] = self.objectives(x)


def by_nagevo(problem: Surrogates, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = evolve(problem.space, problem.objectives, population=POPULATION, generations=GENERATIONS, rng=rng)
    return found.objectives


def by_pymoo(problem: Surrogates, seed: int) -> np.ndarray:
    repair = RoundingRepair()
    algorithm = NSGA2(
        pop_size=POPULATION,
        sampling=IntegerRandomSampling(),
        crossover=UniformCrossover(repair=repair),
        mutation=PolynomialMutation(repair=repair),
    )
    return minimize(problem, algorithm, ("n_gen", GENERATIONS + 1), seed=seed).F


def main() -> None:
    bundle, device = sys.argv[1:]
    generator = nagevo.load(bundle)
    found = {}
    for name, run in (("nagevo", by_nagevo), ("pymoo", by_pymoo)):
        for seed in range(REPEATS):
            problem = Surrogates(generator, device)
            began = time.perf_counter()
            found[name, seed] = run(problem, seed)
            total_s = time.perf_counter() - began
            print(
                f"{name} seed {seed}: {total_s:.2f} s, of which {problem.spent_s:.2f} s in {problem.calls} calls of the"
                f" surrogates and {total_s - problem.spent_s:.2f} s of its own"
            )
    reference = np.concatenate(list(found.values())).max(axis=0)
    for (name, seed), objectives in found.items():
        print(f"{name} seed {seed}: hypervolume {moocore.hypervolume(objectives, ref=reference):.4g}")


if __name__ == "__main__":
    main()
