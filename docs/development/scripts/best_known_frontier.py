"""Look for the true frontier of tables by long searches: python best_known_frontier.py CONFIG DEVICE OUTPUT SEED …

CONFIG is an experiment whose evaluator and device cost nothing. For each seed NSGA-II (pymoo) runs for 1,200
generations of 300 architectures on them. OUTPUT gets the nondominated architectures (architecture, latency_ms,
accuracy) of all runs and of what it held before.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.crossover import Crossover
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.core.sampling import Sampling
from pymoo.optimize import minimize

from nagevo.experiment.config import load_config
from nagevo.foundation.frontier import frontier
from nagevo.measure.tables import read_architectures

POPULATION, GENERATIONS = 300, 1200


class Tables(Problem):
    """Error (percent) and latency (ms) of architectures."""

    def __init__(self, config: str, device: str):
        experiment = load_config(config)
        self.space = experiment.create_space()
        self.evaluator, self.device = experiment.create_evaluator(self.space), experiment.devices[device].create()
        super().__init__(n_var=self.space.n_choices, n_obj=2)

    def _evaluate(self, x: np.ndarray, out: dict, *args, **kwargs) -> None:
        out["F"] = self.measured(x.astype(np.int8))

    def measured(self, choices: np.ndarray) -> np.ndarray:
        """Return what is minimized, shape (n, 2)."""
        accuracy = self.evaluator.evaluate(choices)["accuracy"].to_numpy(float)
        return np.column_stack([100 - accuracy, self.device.measure(self.space, choices)["latency_ms"]])


class Drawn(Sampling):
    """Random architectures, the smallest and the largest among them."""

    def _do(self, problem: Tables, n_samples: int, *args, random_state=None, **kwargs) -> np.ndarray:
        drawn = problem.space.sample(n_samples - 2, rng=random_state)
        return np.concatenate([problem.space.extremes(), drawn])


class Crossed(Crossover):
    """Two children of each pair."""

    def __init__(self):
        super().__init__(n_parents=2, n_offsprings=2)

    def _do(self, problem: Tables, x: np.ndarray, *args, random_state=None, **kwargs) -> np.ndarray:
        first, second = x.astype(np.int8)
        pairs = (first, second), (second, first)
        return np.stack([problem.space.crossover(*pair, rng=random_state) for pair in pairs])


class Mutated(Mutation):
    """Every choice redrawn with the space's own probability."""

    def _do(self, problem: Tables, x: np.ndarray, *args, random_state=None, **kwargs) -> np.ndarray:
        return problem.space.mutate(x.astype(np.int8), rng=random_state)


def main() -> None:
    config, device, output, *seeds = sys.argv[1:]
    problem, found = Tables(config, device), []
    if Path(output).exists():
        found.append(read_architectures(output, problem.space))
    for seed in map(int, seeds):
        algorithm = NSGA2(pop_size=POPULATION, sampling=Drawn(), crossover=Crossed(), mutation=Mutated())
        result = minimize(problem, algorithm, ("n_gen", GENERATIONS), seed=seed)
        found.append(problem.space.normal(result.X.astype(np.int8)))
        print(f"run {seed}: {len(result.X)} architectures", flush=True)
    choices = np.concatenate(found)
    objectives = problem.measured(choices)
    best = frontier(objectives)
    table = pd.DataFrame(
        {
            "architecture": problem.space.to_text(choices[best]),
            "latency_ms": objectives[best, 1],
            "accuracy": 100 - objectives[best, 0],
        }
    )
    table.sort_values("latency_ms").drop_duplicates("architecture").round(6).to_csv(output, index=False)


if __name__ == "__main__":
    main()
