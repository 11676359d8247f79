"""Parts shared by strategies that learn by torch: reproducible training, and predictors fitted to the measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import SearchSpace

Network = TypeVar("Network", bound=nn.Module)


def torch_generator(rng: np.random.Generator) -> torch.Generator:
    """Return a torch generator seeded by the next number of ``rng``."""
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def seeded(build: Callable[[], Network], *, rng: np.random.Generator) -> Network:
    """Return what ``build`` returns, its initial weights fixed by ``rng`` and torch's global generator untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**62)))
        return build()


def mlp(n_inputs: int, hidden: int) -> nn.Sequential:
    """Return a perceptron with two hidden ReLU layers and one output."""
    return nn.Sequential(
        nn.Linear(n_inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 1),
        nn.Flatten(start_dim=-2),
    )


def descend(
    network: nn.Module,
    loss: Callable[[], torch.Tensor],
    *,
    steps: int,
    optimizer: torch.optim.Optimizer,
    clip: float = 1.0,
) -> None:
    """Minimize ``loss``, called once for each step, with a cosine schedule down to 1e-4 of the learning rate.

    Gradients that are not finite count as zero; their norm is clipped.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    floor = 1e-4 * min(rates)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=floor)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        for parameter in network.parameters():
            if parameter.grad is not None:
                torch.nan_to_num_(parameter.grad, nan=0.0, posinf=0.0, neginf=0.0)
        nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        schedule.step()


def batches(n: int, size: int, *, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield index batches for ever, every row once in each pass over the n rows."""
    while True:
        yield from torch.randperm(n, generator=generator).split(size)


class Inputs:
    """Network inputs of architectures: the space's features, scaled so that those of the given rows span [0, 1]."""

    def __init__(self, space: SearchSpace, choices: np.ndarray):
        self.space = space
        features = space.features(choices)
        self.low, spread = features.min(axis=0), np.ptp(features, axis=0)
        self.spread = np.where(spread > 0, spread, 1.0).astype(np.float32)

    @property
    def n_inputs(self) -> int:
        """Number of features."""
        return len(self.low)

    def __call__(self, choices: np.ndarray) -> torch.Tensor:
        """Return the inputs of architectures, shape (n, n_inputs)."""
        return torch.from_numpy((self.space.features(choices) - self.low) / self.spread)


class MLPPredictor:
    """A perceptron fitted to one measured quantity.

    Parameters
    ----------
    choices : ndarray of int8, shape (n, n_choices)
    values : ndarray, shape (n,)
        Finite.
    log : bool
        Whether the logarithm is fitted, for positive quantities such as latencies.

    Notes
    -----
    Network, loss and optimizer are those of PNAG's predictors: two hidden ReLU layers of 512, squared error, SGD with
    Nesterov momentum 0.9, learning rate 0.2 with a cosine schedule to 1e-4 of it, weight decay 3e-5, batches of 256.
    Different here: the targets are standardized, latencies in the logarithm; gradients are clipped; 200 steps on all
    the measurements there are, instead of 1,000 epochs on 80 % of 16,000; learning rate and width as given, because
    the published ones are meant for that many rows.
    """

    def __init__(
        self,
        space: SearchSpace,
        choices: np.ndarray,
        values: np.ndarray,
        *,
        rng: np.random.Generator,
        steps: int = 200,
        hidden: int = 256,
        batch: int = 256,
        log: bool = False,
    ):
        self.inputs, self.log = Inputs(space, choices), log
        targets = np.log(values) if log else values
        self.mean, self.deviation = float(targets.mean()), float(targets.std()) or 1.0
        x = self.inputs(choices)
        y = torch.from_numpy(((targets - self.mean) / self.deviation).astype(np.float32))
        self.network = seeded(lambda: mlp(self.inputs.n_inputs, hidden), rng=rng)
        rows = batches(len(x), batch, generator=torch_generator(rng))

        def loss() -> torch.Tensor:
            part = next(rows)
            return nn.functional.mse_loss(self.network(x[part]), y[part])

        optimizer = torch.optim.SGD(self.network.parameters(), lr=0.2, momentum=0.9, nesterov=True, weight_decay=3e-5)
        descend(self.network, loss, steps=steps, optimizer=optimizer)

    @classmethod
    def of_accuracy(
        cls, space: SearchSpace, measurements: Measurements, *, rng: np.random.Generator, **options: Any
    ) -> MLPPredictor:
        """Return the predictor of accuracy (percent) fitted to the rows that have one."""
        known = measurements.rows(np.isfinite(measurements.accuracy))
        return cls(space, known.choices, known.accuracy, rng=rng, **options)

    @classmethod
    def of_latency(
        cls, space: SearchSpace, measurements: Measurements, device: str, *, rng: np.random.Generator, **options: Any
    ) -> MLPPredictor:
        """Return the predictor of latency (ms) on a device fitted to the rows that have one."""
        known = measurements.rows(np.isfinite(measurements.values[device]))
        return cls(space, known.choices, known.values[device], rng=rng, log=True, **options)

    @torch.no_grad()
    def __call__(self, choices: np.ndarray) -> np.ndarray:
        """Return the predicted values, shape (n,)."""
        outputs = self.network(self.inputs(choices)).numpy().astype(float)
        values = self.mean + self.deviation * outputs
        return np.exp(values) if self.log else values
