"""Ask a generator of the Once-for-All space: python note10.py CONFIG HISTORY NETWORKS.

HISTORY is what `nagevo search --config CONFIG` wrote, NETWORKS a text file with a name and an architecture in a line.
Prints, for each network, how much more accurate the answer to its own latency is; how long 200 budgets take; and how
long a search for one budget takes as Once-for-All does it (Cai et al. 2020: 100 + 500 · 100 predictor calls).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from nagevo import frontier
from nagevo.config import Experiment, load_config
from nagevo.learning import learn
from nagevo.measurements import Measurements

POPULATION, GENERATIONS, PARENTS, MUTATION_RATE = 100, 500, 25, 0.1
CONFIDENCE = 0.9


class Truth:
    """True accuracy (percent) and latency (ms) of architectures on the only device of an experiment."""

    def __init__(self, experiment: Experiment):
        ((self.device, config),) = experiment.devices.items()
        self.space = experiment.create_space()
        self.evaluator, self.opened = experiment.create_evaluator(self.space), config.create()

    def accuracy(self, choices: np.ndarray) -> np.ndarray:
        return self.evaluator.evaluate(choices)["accuracy"].to_numpy(float)

    def latency_ms(self, choices: np.ndarray) -> np.ndarray:
        return self.opened.measure(self.space, choices)["latency_ms"].to_numpy(float)


def searched(truth: Truth, budget: float, rng: np.random.Generator) -> float:
    """Return the best accuracy that a search for one budget finds."""

    def feasible(draw, n: int) -> np.ndarray:
        kept = np.empty((0, truth.space.n_choices), dtype=np.int8)
        while len(kept) < n:
            drawn = draw(n)
            kept = np.concatenate([kept, drawn[truth.latency_ms(drawn) <= budget]])
        return kept[:n]

    def mutants(n: int) -> np.ndarray:
        return truth.space.mutate(rng.choice(parents, n), rng=rng, rate=MUTATION_RATE)

    def children(n: int) -> np.ndarray:
        return truth.space.crossover(rng.choice(parents, n), rng.choice(parents, n), rng=rng)

    smallest = truth.space.extremes()[:1]
    population = feasible(lambda n: truth.space.mutate(np.repeat(smallest, n, axis=0), rng=rng, rate=0.3), POPULATION)
    accuracy = truth.accuracy(population)
    for _ in range(GENERATIONS):
        best = np.argsort(-accuracy)[:PARENTS]
        parents, kept = population[best], accuracy[best]
        new = np.concatenate([feasible(mutants, POPULATION // 2), feasible(children, POPULATION // 2)])
        population, accuracy = np.concatenate([parents, new]), np.concatenate([kept, truth.accuracy(new)])
    return float(accuracy.max())


def main() -> None:
    config, history, networks = sys.argv[1:]
    torch.set_num_threads(1)
    experiment = load_config(config)
    truth = Truth(experiment)
    measurements = Measurements.from_files([history], truth.space)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        generator = learn(experiment, measurements, folder)
    print(f"learning: {time.perf_counter() - began:.0f} s")

    lines = [line.split() for line in Path(networks).read_text().splitlines() if line.strip()]
    published = truth.space.from_text([architecture for _, architecture in lines])
    budgets, accuracy = truth.latency_ms(published), truth.accuracy(published)
    answers = generator.answers(budgets, device=truth.device, confidence=CONFIDENCE)
    chosen = truth.space.from_text([answer.architecture for answer in answers])
    table = zip(lines, budgets, accuracy, truth.accuracy(chosen), truth.latency_ms(chosen), strict=True)
    for (name, _), budget, own, ours, latency_ms in table:
        print(f"{name}: {budget:.1f} ms, {own:.2f} %; answer {latency_ms:.1f} ms, {ours:.2f} % ({ours - own:+.2f})")

    members = measurements.objectives(truth.device)
    asked = frontier.budgets(members[frontier.frontier(members)], 200)
    spent = []
    for budget in asked:
        began = time.perf_counter()
        generator.generate(budget, device=truth.device, confidence=CONFIDENCE)
        spent.append(1000 * (time.perf_counter() - began))
    print(f"200 budgets: mean {np.mean(spent):.2f} ms, longest but the first {max(spent[1:]):.2f} ms")

    middle = asked[len(asked) // 2]
    answer = generator.generate(middle, device=truth.device, confidence=CONFIDENCE)
    ours = truth.accuracy(truth.space.from_text([answer.architecture]))[0]
    began = time.perf_counter()
    found = searched(truth, middle, np.random.default_rng(0))
    elapsed = time.perf_counter() - began
    print(f"a search for {middle:.1f} ms: {elapsed:.0f} s, {found:.2f} % after 50,100 calls; the answer {ours:.2f} %")


if __name__ == "__main__":
    main()
