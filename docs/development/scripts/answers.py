"""Judge generators against the truth over several seeds: python answers.py OUTPUT CONFIG SEED [SEED ...].

For each seed: the search of the experiment in one process, the generator that learns from it, and the answers to 100
budgets of each device at several confidences, beside the lookup table's and those of PNAG's generator trained on the
same measurements.
"""

from __future__ import annotations

import sys
import tempfile
import time

import pandas as pd
import torch

from nagevo.evaluate.benchmark import Truth, known_device
from nagevo.experiment.config import load_config
from nagevo.experiment.learning import learn
from nagevo.experiment.search import search_experiment

CONFIDENCES = (0.5, 0.7, 0.9, 0.95)
SHOWN = ["mean_regret", "violation_rate", "budget_use", "feasible_answered", "hypervolume_ratio", "answer_ms"]


def main() -> None:
    output, config, *seeds = sys.argv[1:]
    torch.set_num_threads(1)
    tables = []
    for seed in map(int, seeds):
        experiment = load_config(config).with_search(seed=seed)
        began = time.perf_counter()
        measurements = search_experiment(experiment)
        searched = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            generator = learn(experiment, measurements, folder)
        print(f"seed {seed}: search {searched - began:.0f} s, learning {time.perf_counter() - searched:.0f} s")
        for device in experiment.devices:
            truth = Truth.of(experiment, generator.space, device)
            tables.append(known_device(generator, truth, device, CONFIDENCES).assign(device=device, seed=seed))
        pd.concat(tables, ignore_index=True).to_parquet(output)
    means = pd.concat(tables).groupby(["device", "method", "confidence"], sort=False, dropna=False)[SHOWN].mean()
    print(means.round(4).to_string())


if __name__ == "__main__":
    main()
