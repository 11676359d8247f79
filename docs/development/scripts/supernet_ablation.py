"""How a supernet is best trained: python supernet_ablation.py ALONE.csv [VARIANT ...].

The judge are 24 networks of an experiment's space, spread over the range of its multiply–accumulates, each of which is
trained alone three times by the experiment's recipe. ALONE.csv keeps their accuracies; it is made, in about half an
hour on two cores, where it is not there. Each variant of the supernet is trained once, and compared on these networks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from nagevo.experiment.config import Experiment, parse_config
from nagevo.measure.accuracy import create_evaluator
from nagevo.measure.accuracy.validation import Agreement, beside_alone, spread

ROOT = Path(__file__).resolve().parents[3]
NETWORKS, SEEDS = 24, 3
VARIANTS: dict[str, dict] = {
    "as it is": {},
    "half the epochs": {"training": 0.5},
    "twice the epochs": {"training": 2.0},
    "no random networks": {"random_networks": 0},
    "one random network": {"random_networks": 1},
    "four random networks": {"random_networks": 4},
    "smaller kernels as they are": {"kernel_transform": False},
    "1,000 images for batch normalization": {"calibration_examples": 1000},
}
"""Options of the section `accuracy` that a variant changes; the number of `training` is a factor of the epochs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("alone", type=Path)
    parser.add_argument("variants", nargs="*", help="Of those in this file; all by default.")
    parser.add_argument("--config", type=Path, default=ROOT / "config.yaml")
    arguments = parser.parse_args()
    content = yaml.safe_load(arguments.config.read_text())
    experiment = parse_config(content)
    choices = spread(experiment.create_space(), NETWORKS, rng=np.random.default_rng(0))
    if not arguments.alone.exists():
        trained_alone(content, choices).to_csv(arguments.alone, index=False)
    alone = pd.read_csv(arguments.alone)
    rows = []
    for name in arguments.variants or VARIANTS:
        rows.append({"variant": name, **judged(varied(content, VARIANTS[name]), choices, alone)})
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False, header=len(rows) == 1), flush=True)


def varied(content: dict, changes: dict) -> Experiment:
    """Return the experiment with some options of its supernet changed."""
    accuracy = dict(content["accuracy"])
    for option, value in changes.items():
        if option == "training":
            value = accuracy["training"] | {"epochs": round(value * accuracy["training"]["epochs"])}
        accuracy[option] = value
    return parse_config(content | {"accuracy": accuracy})


def trained_alone(content: dict, choices: np.ndarray) -> pd.DataFrame:
    """Return the test accuracies of networks that are trained alone: a column for each seed."""
    with ProcessPoolExecutor(2) as pool:
        jobs = [(content, choices[i : i + 1], seed) for i in range(len(choices))[::-1] for seed in range(SEEDS)]
        found = list(pool.map(accuracy_alone, *zip(*jobs, strict=True)))
    return pd.DataFrame(np.reshape(found, (len(choices), SEEDS))[::-1], columns=[f"seed {k}" for k in range(SEEDS)])


def accuracy_alone(content: dict, choices: np.ndarray, seed: int) -> float:
    """Return the test accuracy of one network that is trained alone."""
    torch.set_num_threads(1)
    experiment = parse_config(content)
    shared = {key: experiment.accuracy.options[key] for key in ("dataset", "training", "calibration_examples")}
    evaluator = create_evaluator("training", experiment.create_space(), seed=seed, **shared)
    return float(evaluator.evaluate(choices, split="test")["accuracy"].iloc[0])


def judged(experiment: Experiment, choices: np.ndarray, alone: pd.DataFrame) -> dict[str, float]:
    """Train a supernet and return how far it agrees with training alone."""
    evaluator = experiment.create_evaluator(experiment.create_space())
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        evaluator.train(Path(folder) / "supernet.safetensors")
        seconds = time.monotonic() - began
        evaluator.load(Path(folder) / "supernet.safetensors")
        table = beside_alone(evaluator, choices, alone.mean(axis=1).to_numpy())
    found = Agreement.of(table)
    place = table["supernet_accuracy"].rank(ascending=False, method="min")[table["alone_accuracy"].idxmax()]
    among = [alone[a].corr(alone[b], method="kendall") for a in alone for b in alone if a < b]
    return {
        "seconds": seconds,
        "tau": found.tau,
        "tau of two seeds alone": float(np.mean(among)),
        "below": found.below,
        "place of the best alone": place,
        "largest (test)": table["supernet_test_accuracy"].iloc[-1],
    }


if __name__ == "__main__":
    main()
