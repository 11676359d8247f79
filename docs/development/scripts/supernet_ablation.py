"""How a supernet is best trained: python supernet_ablation.py ALONE.csv [VARIANT ...].

The judge are 24 networks of an experiment's space, spread over the range of its multiply–accumulates, each of which is
trained alone by the experiment's recipe, with `--seeds` seeds. ALONE.csv keeps their accuracies; what it lacks is
trained and added. Each variant of the supernet is trained once, and compared on these networks.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from torch import nn

from nagevo.experiment.config import Experiment, parse_config
from nagevo.measure.accuracy import create_evaluator
from nagevo.measure.accuracy.supernet import SupernetEvaluator
from nagevo.measure.accuracy.validation import Agreement, beside_alone, spread
from nagevo.spaces.mobilenetv3.layout import N_LAYER_CHOICES, N_STAGES
from nagevo.training.loop import Step, fit

ROOT = Path(__file__).resolve().parents[3]
NETWORKS = 24
EXPANSIONS = N_STAGES + (N_LAYER_CHOICES - N_STAGES) // 2
"""Place of the first expansion among the choices of a MobileNetV3."""


class Scheduled(SupernetEvaluator):
    """A supernet that draws other networks as its training goes on."""

    _steps = 0

    def distillation_step(self, supernet: nn.Module, pool: ThreadPoolExecutor) -> Step:
        self._steps = 0
        return super().distillation_step(supernet, pool)

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        n_steps = self.recipe.epochs * (len(self.examples("train")) // self.recipe.batch_size)
        rows = self.scheduled(super().drawn(rng), self._steps / n_steps)
        self._steps += 1
        return self.plain.normal(rows)

    def scheduled(self, rows: np.ndarray, progress: float) -> np.ndarray:
        """Return the networks of a step after a share of the training, from those that are drawn otherwise."""
        raise NotImplementedError


class ProgressiveShrinking(Scheduled):
    """Quarters of the training: elastic resolution alone; kernels too; depths too; everything.

    Cai et al. 2020, "Once-for-All", section 3.3.
    """

    def scheduled(self, rows: np.ndarray, progress: float) -> np.ndarray:
        _, largest = self.plain.extremes()
        fixed = np.zeros(len(largest), dtype=bool)
        fixed[N_STAGES:EXPANSIONS] = progress < 0.25
        fixed[:N_STAGES] = progress < 0.5
        fixed[EXPANSIONS:N_LAYER_CHOICES] = fixed[N_LAYER_CHOICES + 1 :] = progress < 0.75
        return np.where(fixed, largest, rows).astype(np.int8)


class SmallImagesFirst(Scheduled):
    """The largest resolution grows over the first half of the training."""

    def scheduled(self, rows: np.ndarray, progress: float) -> np.ndarray:
        n = len(self.plain.resolutions)
        rows[:, N_LAYER_CHOICES] = np.minimum(rows[:, N_LAYER_CHOICES], int(1 + 2 * progress * (n - 1)))
        return rows


class EqualWeights(SupernetEvaluator):
    """Random networks count as much as the largest, as in BigNAS."""

    def weight(self, teacher: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.ones(())


class SharedWeight(SupernetEvaluator):
    """All random networks together count as much as the largest."""

    def weight(self, teacher: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.tensor(1.0 / self.random_networks)


class AdaptiveDivergence(SupernetEvaluator):
    """The larger of the alpha-divergences of -1 and 1, ratios of probabilities bounded by 5.

    Wang et al. 2021, "AlphaNet: Improved Training of Supernets with Alpha-Divergence", equations 4 to 6.
    """

    def divergence(self, logits: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        log_q, log_p = logits.log_softmax(1), teacher.log_softmax(1)
        over = ((log_q - log_p).exp().clamp(max=5.0) * log_q.exp()).sum(1).sub(1.0) / 2.0
        under = (log_p.exp() * (log_p - log_q)).sum(1)
        return torch.maximum(over, under).mean()


class BlocksAtRandom(SupernetEvaluator):
    """Blocks with a shortcut do not begin as the identity."""

    def _untrained(self) -> nn.Module:
        network = super()._untrained()
        for block in network.blocks:
            nn.init.ones_(block.get_parameter("point_linear.bn.weight"))
        return network


class FewShot(Scheduled):
    """Half of the epochs for all networks, then a quarter each for a copy for small and one for large images.

    Zhao et al. 2021, "Few-Shot Neural Architecture Search", which splits by the operation of one edge.
    """

    SMALL = 2
    """Resolutions of the first copy."""
    _half: slice = slice(None)

    def scheduled(self, rows: np.ndarray, progress: float) -> np.ndarray:
        places = np.arange(len(self.plain.resolutions))[self._half]
        rows[1:, N_LAYER_CHOICES] = places[rows[1:, N_LAYER_CHOICES] * len(places) // len(self.plain.resolutions)]
        rows[0, N_LAYER_CHOICES] = places[-1]
        return rows

    def _train(self, supernet: nn.Module, checkpoint: Path, about: Mapping[str, Any]) -> None:
        recipe = self.recipe
        self.recipe = replace(recipe, epochs=recipe.epochs // 2)
        super()._train(supernet, checkpoint, about)
        rate = recipe.learning_rate / 2
        self.recipe = replace(recipe, epochs=recipe.epochs // 4, learning_rate=rate, warmup_epochs=0.0)
        self.copies = []
        for half in (slice(None, self.SMALL), slice(self.SMALL, None)):
            self._half, network = half, copy.deepcopy(supernet)
            with ThreadPoolExecutor(self.threads) as pool:
                step = self.distillation_step(network, pool)
                fit(network, step, self.examples("train"), self.recipe, seed=self.seed + 1)
            self.copies.append(network)

    def trained(self, choices: np.ndarray) -> nn.Module:
        self.supernet = self.copies[int(choices[N_LAYER_CHOICES] >= self.SMALL)]
        return super().trained(choices)


@dataclass(frozen=True)
class Change:
    """A variant: options of `accuracy` that replace those of the config, a factor of its epochs, and the evaluator."""

    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: float = 1.0
    evaluator: Callable[..., SupernetEvaluator] = SupernetEvaluator


VARIANTS = {
    "as it is": Change(),
    "half the epochs": Change(epochs=0.5),
    "twice the epochs": Change(epochs=2.0),
    "no random networks": Change({"random_networks": 0}),
    "one random network": Change({"random_networks": 1}),
    "four random networks": Change({"random_networks": 4}),
    "smaller kernels as they are": Change({"kernel_transform": False}),
    "1,000 images for batch normalization": Change({"calibration_examples": 1000}),
    "equal weights": Change(evaluator=EqualWeights),
    "one weight, shared": Change(evaluator=SharedWeight),
    "progressive shrinking": Change(evaluator=ProgressiveShrinking),
    "small images first": Change(evaluator=SmallImagesFirst),
    "adaptive divergence": Change(evaluator=AdaptiveDivergence),
    "blocks at random": Change(evaluator=BlocksAtRandom),
    "few-shot": Change(evaluator=FewShot),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("alone", type=Path)
    parser.add_argument("variants", nargs="*", help="Of those in this file; all by default.")
    parser.add_argument("--config", type=Path, default=ROOT / "config.yaml")
    parser.add_argument("--seeds", type=int, default=3, help="Seeds of training alone.")
    parser.add_argument("--processes", type=int, default=2, help="Networks trained alone at the same time.")
    arguments = parser.parse_args()
    content = yaml.safe_load(arguments.config.read_text())
    experiment = parse_config(content)
    space = experiment.create_space()
    choices = spread(space, NETWORKS, rng=np.random.default_rng(0))
    complete(arguments.alone, content, choices, arguments.seeds, arguments.processes)
    alone = pd.read_csv(arguments.alone, index_col="architecture")
    rows = []
    for name in arguments.variants or VARIANTS:
        rows.append({"variant": name, **judged(experiment, VARIANTS[name], choices, alone)})
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False, header=len(rows) == 1), flush=True)


def complete(path: Path, content: dict, choices: np.ndarray, seeds: int, processes: int) -> None:
    """Write the test accuracies of networks that are trained alone, a column for each seed that the table lacks."""
    texts = parse_config(content).create_space().to_text(choices)
    known = pd.read_csv(path, index_col="architecture") if path.exists() else pd.DataFrame(index=texts)
    if list(known.index) != texts:
        raise SystemExit(f"{path}: expected the accuracies of this config's {len(texts)} networks, got those of others")
    with ProcessPoolExecutor(processes) as pool:
        for seed in range(known.shape[1], seeds):
            jobs = [(content, choices[i : i + 1], seed) for i in range(len(choices))]
            known[f"seed {seed}"] = list(pool.map(accuracy_alone, *zip(*jobs, strict=True)))
            known.to_csv(path, index_label="architecture")


def accuracy_alone(content: dict, choices: np.ndarray, seed: int) -> float:
    """Return the test accuracy of one network that is trained alone."""
    torch.set_num_threads(1)
    experiment = parse_config(content)
    shared = {key: experiment.accuracy.options[key] for key in ("dataset", "training", "calibration_examples")}
    evaluator = create_evaluator("training", experiment.create_space(), seed=seed, **shared)
    return float(evaluator.evaluate(choices, split="test")["accuracy"].iloc[0])


def judged(experiment: Experiment, change: Change, choices: np.ndarray, alone: pd.DataFrame) -> dict[str, float]:
    """Train a supernet and return how far it agrees with training alone."""
    options = {**experiment.accuracy.options, **change.options}
    training = dict(options["training"])
    training["epochs"] = round(change.epochs * training["epochs"])
    evaluator = change.evaluator(experiment.create_space(), seed=experiment.seed, **{**options, "training": training})
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        evaluator.train(Path(folder) / "supernet.safetensors")
        seconds = time.process_time() - began
        evaluator.load(Path(folder) / "supernet.safetensors")
        table = beside_alone(evaluator, choices, alone.mean(axis=1).to_numpy())
    found = Agreement.of(table)
    place = table["supernet_accuracy"].rank(ascending=False, method="min")[table["alone_accuracy"].idxmax()]
    below = table["alone_accuracy"] - table["supernet_test_accuracy"]
    among = [alone[a].corr(alone[b], method="kendall") for a, b in combinations(alone, 2)]
    return {
        "seconds": seconds,
        "tau": found.tau,
        "rho": found.rho,
        "tau of two seeds alone": float(np.mean(among)) if among else float("nan"),
        "below": found.below,
        "most below": float(below.max()),
        "place of the best alone": place,
        "largest (test)": table["supernet_test_accuracy"].iloc[-1],
        "smallest (test)": table["supernet_test_accuracy"].iloc[0],
    }


if __name__ == "__main__":
    main()
