"""Search small cells by trainings, of which some are short, and by full ones alone, at equal cost.

    PYTHONPATH=docs/examples python docs/development/scripts/cheap_trainings.py readings.csv --seeds 0-3
    PYTHONPATH=docs/examples python docs/development/scripts/cheap_trainings.py readings.csv --again 2

Each network is trained alone on 800 digits, for 8 epochs or, for a quarter of the cost, for 2. ``readings.csv`` keeps
every reading, so that a second run repeats none and an equal network has the same accuracy in all searches. After each
seed the hypervolume ratio and mean regret of the full readings of each search are printed, against the frontier of
those of all searches together. With ``--again N`` nothing is searched: the networks of that frontier are trained from N
further seeds, all networks with a full reading get a short one too, and Kendall's tau between the two is printed, for
all and for the better half.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nagevo.evaluate.comparison import references, search_metrics
from nagevo.experiment.config import Experiment, parse_config
from nagevo.experiment.search import run_search
from nagevo.foundation.frontier import frontier
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import SearchSpace

CHEAP = {"cost": 0.25, "training": {"epochs": 2}}
TRAINING = {"epochs": 8, "batch_size": 32, "learning_rate": 0.1, "warmup_epochs": 1}
IMAGES = {"name": "mnist5k", "train": 800, "validation": 2500, "test": 1000}
SEARCHES: dict[str, list[dict[str, Any]]] = {"full": [], "cheap": [CHEAP]}


class Remembered(Evaluator):
    """Reads each architecture once, and writes every reading with its processor time to a table."""

    def __init__(self, evaluator: Evaluator, path: Path, kind: str):
        super().__init__(evaluator.space, seed=evaluator.seed)
        self.evaluator, self.path, self.kind = evaluator, path, kind

    def evaluate(self, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        for row in choices:
            if self.space.to_text(row[None])[0] not in self.table().index:
                began = time.process_time()
                read = self.evaluator.evaluate(row[None], split=split)
                spent = {"kind": self.kind, "seed": self.seed, "seconds": time.process_time() - began}
                read = read.assign(architecture=self.space.to_text(row[None]), **spent)
                read.to_csv(self.path, mode="a", header=not self.path.exists(), index=False)
        return self.table().loc[self.space.to_text(choices)].reset_index(drop=True)

    def table(self) -> pd.DataFrame:
        """Return the readings of this kind and seed, by architecture."""
        if not self.path.exists():
            return pd.DataFrame().rename_axis("architecture")
        table = pd.read_csv(self.path)
        table = table[(table["kind"] == self.kind) & (table["seed"] == self.seed)]
        return table.set_index("architecture").drop(columns=["kind", "seed"])


def experiment(seed: int, evaluations: int, fidelities: list[dict[str, Any]]) -> Experiment:
    """Return a search of 5,425 cells whose latencies are known."""
    space = {"name": "nasbench201", "width": 2, "cells": 1, "resolution": 16, "channels": 1, "merge_equal": True}
    accuracy = {"evaluator": "training", "dataset": IMAGES, "training": TRAINING, "fidelities": fidelities}
    return parse_config(
        {
            "seed": seed,
            "space": space,
            "accuracy": accuracy,
            "devices": {"simulated": {"backend": "simulator:Simulator", "extra_measurements": "all"}},
            "search": {"evaluations": evaluations, "rounds": 8},
            "evolve": {"population": 20, "generations": 3},
        }
    )


def reader(space: SearchSpace, path: Path, *, cheap: bool = False, seed: int = 0) -> Remembered:
    """Return the evaluator of all searches: its seed is that of the data and the trainings, not of a search."""
    evaluator = experiment(seed, 1, [CHEAP]).create_evaluator(space, cheap=cheap)
    return Remembered(evaluator, path, "cheap" if cheap else "full")


def search(seed: int, name: str, evaluations: int, path: Path) -> Measurements:
    """Return what a search measured."""
    config = experiment(seed, evaluations, SEARCHES[name])
    space, (n_full, n_cheap) = config.create_space(), config.effort
    return run_search(
        space,
        reader(space, path),
        {device: each.create() for device, each in config.devices.items()},
        config.create_strategy(space, tuple(config.devices)),
        evaluations=n_full,
        cheap=(reader(space, path, cheap=True), n_cheap) if n_cheap else None,
        rounds=config.search.rounds,
        extra_measurements={"simulated": "all"},
        seed=seed,
    )


def report(histories: dict[tuple[int, str], Measurements], path: Path) -> None:
    """Print how good each search is against the frontier of all, and what was read so far."""
    config = experiment(0, 1, [])
    space = config.create_space()
    known = references(config, space, histories.values())
    for (seed, name), history in histories.items():
        metrics = search_metrics(history, known).iloc[0]
        print(seed, name, f"{metrics['hypervolume_ratio']:.4f} {metrics['mean_regret']:.3f}")
    for cheap in (False, True):
        table = reader(space, path, cheap=cheap).table()
        print(f"{'cheap' if cheap else 'full'}: {len(table)} readings of {table['seconds'].mean():.2f} s", flush=True)


def read_again(path: Path, times: int) -> None:
    """Train the frontier's networks from further seeds, and read each network cheaply that was read in full.

    Another seed is also another split of the images.
    """
    config = experiment(0, 1, [])
    space, device = config.create_space(), config.devices["simulated"].create()
    full = reader(space, path).table()
    choices = space.from_text(full.index.tolist())
    latency_ms = device.measure(space, choices)["latency_ms"]
    members = choices[frontier(np.column_stack([100 - full["accuracy"], latency_ms]))]
    tables = [reader(space, path, seed=seed).evaluate(members) for seed in range(times + 1)]
    for number, text in enumerate(space.to_text(members)):
        print(text, *(f"{table['accuracy'][number]:.1f}" for table in tables), flush=True)
    cheap = reader(space, path, cheap=True).evaluate(choices)
    both = pd.DataFrame({"full": full["accuracy"].to_numpy(), "cheap": cheap["accuracy"]})
    for each in (both, both.nlargest(len(both) // 2, "full")):
        print(f"tau of {len(each)}: {each.corr('kendall').loc['full', 'cheap']:.2f}")


def main() -> None:
    """Run the searches one after the other, judged together after each seed; or read again what they read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readings", type=Path)
    parser.add_argument("--seeds", default="0-3", help="first and last")
    parser.add_argument("--evaluations", type=int, default=24, help="cost of a search in full readings")
    parser.add_argument("--again", type=int, help="search no more; train each network of the frontier as often again")
    options = parser.parse_args()
    if options.again is not None:
        read_again(options.readings, options.again)
        return
    first, last = map(int, options.seeds.split("-"))
    histories = {}
    for seed in range(first, last + 1):
        for name in SEARCHES:
            histories[seed, name] = search(seed, name, options.evaluations, options.readings)
        report(histories, options.readings)


if __name__ == "__main__":
    main()
