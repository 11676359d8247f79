"""Ask generators of the Once-for-All space: python note10.py CONFIG NETWORKS HISTORY [HISTORY ...].

Each HISTORY is what a search of CONFIG wrote, and a generator learns from each; NETWORKS is a text file with a name and
an architecture in a line. Prints, for each network, how much more accurate the answers to its own latency are; how long
200 budgets take; and how long a search for one budget takes as Once-for-All does it (Cai et al. 2020: 100 + 500 · 100
predictor calls).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from nagevo.experiment.config import Experiment, load_config
from nagevo.experiment.learning import learn
from nagevo.foundation import frontier
from nagevo.generator.generator import Generator
from nagevo.measure.measurements import Measurements

POPULATION, GENERATIONS, PARENTS, MUTATION_RATE = 100, 500, 25, 0.1
CONFIDENCE = 0.9


class Truth:
    """True accuracy (percent) and latency (ms) of architectures on the only device of an experiment."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
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


def more_accurate(truth: Truth, generator: Generator, published: np.ndarray) -> np.ndarray:
    """Return by how many points the answer to each published network's latency is better; NaN where it broke it."""
    budgets = truth.latency_ms(published)
    answers = generator.answers(budgets, device=truth.device, confidence=CONFIDENCE)
    chosen = truth.space.from_text([answer.architecture for answer in answers])
    better = truth.accuracy(chosen) - truth.accuracy(published)
    return np.where(truth.latency_ms(chosen) <= budgets, better, np.nan)


def answer_times(generator: Generator, device: str, budgets: np.ndarray) -> np.ndarray:
    """Return how long each budget takes when it is asked alone, in ms."""
    spent = []
    for budget in budgets:
        began = time.perf_counter()
        generator.generate(budget, device=device, confidence=CONFIDENCE)
        spent.append(1000 * (time.perf_counter() - began))
    return np.array(spent)


def main() -> None:
    config, networks, *histories = sys.argv[1:]
    torch.set_num_threads(1)
    truth = Truth(load_config(config))
    names, texts = zip(*(line.split() for line in Path(networks).read_text().splitlines() if line.strip()), strict=True)
    published = truth.space.from_text(texts)
    better = []
    for history in histories:
        measurements = Measurements.from_files([history], truth.space)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            generator = learn(truth.experiment, measurements, folder)
        print(f"{history}: learned in {time.perf_counter() - began:.0f} s")
        better.append(more_accurate(truth, generator, published))
    table = pd.DataFrame(better, columns=names).T
    table = table.assign(
        mean=table.mean(axis=1), latency_ms=truth.latency_ms(published), accuracy=truth.accuracy(published)
    )
    print("points by which answers that hold the budget are better, search by search:", table.round(2), sep="\n")
    print(f"answers that broke their budget: {np.isnan(better).sum()} of {np.size(better)}")

    members = measurements.objectives(truth.device)
    asked = frontier.budgets(members[frontier.frontier(members)], 200)
    spent = answer_times(generator, truth.device, asked)
    print(f"200 budgets: mean {spent.mean():.2f} ms, longest but the first {spent[1:].max():.2f} ms")

    middle = asked[len(asked) // 2]
    answer = generator.generate(middle, device=truth.device, confidence=CONFIDENCE)
    ours = truth.accuracy(truth.space.from_text([answer.architecture]))[0]
    began = time.perf_counter()
    found = searched(truth, middle, np.random.default_rng(0))
    elapsed = time.perf_counter() - began
    print(f"a search for {middle:.1f} ms: {elapsed:.0f} s, {found:.2f} % after 50,100 calls; the answer {ours:.2f} %")


if __name__ == "__main__":
    main()
