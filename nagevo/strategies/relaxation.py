"""What the gradient-based methods share: products of simplices, and a differentiable surrogate of the measurements.

A *mixture* holds one distribution over the options of every choice: a point of a product of simplices, written as one
row of ``sum(n_options)`` weights. An architecture is a corner of it. Tensors are float32.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import norm, rankdata
from torch import Tensor, nn
from torch.nn import functional

from nagevo.errors import ConfigError
from nagevo.frontier import LATENCY, frontier
from nagevo.measurements import Measurements
from nagevo.spaces.base import SearchSpace, unique, without
from nagevo.strategies.base import Strategy
from nagevo.strategies.learning import single_thread, torch_generator

SMALLEST_WEIGHT = 1e-5
"""Where the exponentiated update clamps the weights, as GAEA's code does."""


class Simplices:
    """A product of simplices, the weights of one after those of the other: shape (…, sum(sizes)).

    Parameters
    ----------
    sizes : sequence of int
        Corners of each simplex.
    """

    def __init__(self, sizes: Sequence[int]):
        self.sizes = tuple(sizes)
        self.owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(self.sizes))
        self.membership = functional.one_hot(self.owner, len(sizes)).float()  # (sum(sizes), n_simplices)

    def uniform(self, *shape: int) -> Tensor:
        """Return the centers of all simplices, shape (*shape, sum(sizes))."""
        return (1.0 / torch.tensor(self.sizes)[self.owner]).expand(*shape, -1).clone()

    def normalize(self, weights: Tensor) -> Tensor:
        """Return positive weights divided by their sum over each simplex."""
        return weights / ((weights @ self.membership) @ self.membership.T)

    def softmax(self, logits: Tensor) -> Tensor:
        """Return the softmax over each simplex."""
        return self.normalize(torch.exp(logits - logits.amax(-1, keepdim=True)))

    def exponentiated_step(self, weights: Tensor, gradient: Tensor, rate: float) -> Tensor:
        """Return ``weights * exp(-rate * gradient)``, clamped from below and then normalized: GAEA's update.

        >>> Simplices([2]).exponentiated_step(torch.tensor([0.5, 0.5]), torch.tensor([0.0, np.log(3.0)]), 1.0)
        tensor([0.7500, 0.2500])
        """
        return self.normalize((weights * torch.exp(-rate * gradient)).clamp(min=SMALLEST_WEIGHT))

    def corners(self, choices: np.ndarray) -> Tensor:
        """Return architectures as one-hot rows, shape (n, sum(sizes)), from choices of shape (n, n_simplices)."""
        offsets = torch.tensor((0, *self.sizes[:-1])).cumsum(0)
        columns = torch.as_tensor(choices, dtype=torch.long) + offsets
        return torch.zeros(len(choices), len(self.owner)).scatter_(1, columns, 1.0)

    def likeliest(self, weights: Tensor) -> np.ndarray:
        """Return the option of the largest weight in each simplex, int8 of shape (n, n_simplices)."""
        return np.stack([part.argmax(-1).numpy() for part in weights.split(self.sizes, -1)], axis=-1).astype(np.int8)

    def sampled(self, weights: Tensor, n: int, *, generator: torch.Generator) -> np.ndarray:
        """Return n architectures drawn from each of the mixtures, int8 of shape (n_mixtures, n, n_simplices)."""
        parts = weights.split(self.sizes, -1)
        drawn = [torch.multinomial(part, n, replacement=True, generator=generator).numpy() for part in parts]
        return np.stack(drawn, axis=-1).astype(np.int8)


class RelaxedSurrogate(nn.Module):
    """An ensemble of networks from mixtures to error and latency, fitted on the corners that were measured.

    Every member is a perceptron with two hidden layers. It takes a mixture as it takes the one-hot code of an
    architecture, so that what it predicts can be differentiated with respect to the weights of the options. Errors are
    fitted by their normal scores (a normal quantile for each rank), because a few networks that learn nothing would
    stretch the scale for all others; latencies by their logarithm, standardized.

    Parameters
    ----------
    space : SearchSpace
    measurements : Measurements
        Rows without an accuracy are left out; latencies on some devices may be missing.
    generator : torch.Generator
    n_members, width, steps : int
        Members, units of each hidden layer, and gradient steps of the fit, each on all rows.
    """

    def __init__(
        self,
        space: SearchSpace,
        measurements: Measurements,
        *,
        generator: torch.Generator,
        n_members: int = 5,
        width: int = 64,
        steps: int = 150,
    ):
        super().__init__()
        self.n_members, self.simplices = n_members, Simplices(space.n_options)
        rows = measurements.rows(np.isfinite(measurements.accuracy))
        self.devices = rows.devices
        sizes = (len(self.simplices.owner), width, width, 1 + len(self.devices))
        self.weights = nn.ParameterList(
            torch.randn(n_members, a, b, generator=generator) * (2.0 / a) ** 0.5 for a, b in pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(n_members, 1, b) for b in sizes[1:])
        score = norm.ppf((rankdata(-rows.accuracy) - 0.5) / len(rows))
        log_latency = np.log(np.column_stack([rows.latency_ms[device] for device in self.devices]))
        self.center = np.nanmean(log_latency, axis=0)
        self.spread = np.maximum(np.nanstd(log_latency, axis=0), 1e-6)
        targets = np.column_stack([score, (log_latency - self.center) / self.spread])
        self._fit(self.simplices.corners(rows.choices), torch.from_numpy(targets).float(), steps)

    def _fit(self, inputs: Tensor, targets: Tensor, steps: int) -> None:
        known = torch.isfinite(targets)
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            optimizer.zero_grad()
            (self._standardized(inputs)[:, known] - targets[known]).square().mean(1).sum().backward()
            optimizer.step()
            schedule.step()
        self.requires_grad_(False)

    def _standardized(self, mixtures: Tensor) -> Tensor:
        hidden = mixtures
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = functional.silu(hidden @ weight + bias)  # (n_members, n, width)
        return hidden @ self.weights[-1] + self.biases[-1]  # (n_members, n, 1 + n_devices)

    def forward(self, mixtures: Tensor, device: str) -> tuple[Tensor, Tensor]:
        """Return the normal score of the error and the natural logarithm of the latency in ms, each (n_members, n).

        Parameters
        ----------
        mixtures : Tensor, shape (n, sum(n_options)) or (n_members, n, sum(n_options))
            The same for all members, or others for each.
        device : str
        """
        number = self.devices.index(device)
        outputs = self._standardized(mixtures)
        return outputs[..., 0], outputs[..., 1 + number] * self.spread[number] + self.center[number]


class Budget(NamedTuple):
    """The most that one inference may take on a device, in ms."""

    device: str
    ms: float


class RelaxedStrategy(Strategy):
    """Search mixtures on a differentiable surrogate of the measurements, budget by budget.

    The first ``initial`` architectures are random. Each later round fits a :class:`RelaxedSurrogate` and sweeps, for
    each device, as many budgets as it has proposals, from the largest to the smallest, each started halfway between the
    mixture that the one before ended in and the uniform one. All members of the surrogate have mixtures of their own.
    Proposed is, for each budget, the new architecture of least mean loss among those that the mixtures point to and
    ``n_draws`` drawn from each; the loss is the error and ``penalty`` times the logarithm of latency over budget where
    the budget is exceeded.

    A subclass defines :meth:`descend`, and :meth:`losses` where its objective is not the plain error.

    Parameters
    ----------
    initial : int
        Random architectures before the first surrogate.
    steps : int
        Gradient steps for each budget.
    rate : float
        Their learning rate.
    penalty : float
        Weight of the excess of latency.
    """

    n_draws = 16

    def __init__(
        self,
        space: SearchSpace,
        devices: Sequence[str],
        *,
        seed: int = 0,
        evaluations: int = 200,
        initial: int = 40,
        steps: int = 50,
        rate: float = 0.1,
        penalty: float = 10.0,
    ):
        super().__init__(space, devices, seed=seed, evaluations=evaluations)
        if initial < 2 or steps < 1 or rate <= 0 or penalty < 0:
            raise ConfigError(
                "expected initial >= 2, steps >= 1, rate > 0 and penalty >= 0, "
                f"got initial={initial}, steps={steps}, rate={rate}, penalty={penalty}"
            )
        self.initial, self.steps, self.rate, self.penalty = initial, steps, rate, penalty
        self.simplices = Simplices(space.n_options)

    @abstractmethod
    def descend(
        self, surrogate: RelaxedSurrogate, mixtures: Tensor, budget: Budget, *, generator: torch.Generator
    ) -> Tensor:
        """Return the mixtures, shape (n_members, 1, sum(n_options)), moved to lower losses."""

    def losses(
        self, surrogate: RelaxedSurrogate, candidates: np.ndarray, budget: Budget, *, generator: torch.Generator
    ) -> Tensor:
        """Return the mean loss over the members of each candidate, shape (n,)."""
        error, log_latency = surrogate(self.simplices.corners(candidates), budget.device)
        return (error + self.excess(log_latency, budget)).mean(0)

    def excess(self, log_latency: Tensor, budget: Budget) -> Tensor:
        """Return the penalty for latencies, given by their logarithms, over a budget."""
        return self.penalty * functional.relu(log_latency - math.log(budget.ms))

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        if self._is_initial():
            return self.first_new(self.space.sample(n, rng=rng), n, rng=rng)
        with single_thread():
            return self.first_new(self._proposals(n, rng=rng), n, rng=rng)

    def _is_initial(self) -> bool:
        """Return whether there is too little for a surrogate yet."""
        told = self.measurements
        return told.n_evaluations < self.initial or any(len(told.complete(device)) < 2 for device in self.devices)

    def _proposals(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return the best new architecture for each of n budgets, shared among the devices."""
        generator = torch_generator(rng)
        surrogate = RelaxedSurrogate(self.space, self.measurements, generator=generator)
        known = self.evaluated()
        for device, share in self.shares(n).items():
            mixtures = self.simplices.uniform(surrogate.n_members, 1)
            for ms in sweep(self.measurements.objectives(device), share, rng=rng):
                start = 0.5 * mixtures + 0.5 * self.simplices.uniform(1, 1)
                mixtures = self.descend(surrogate, start, Budget(device, ms), generator=generator)
                candidates = without(self._candidates(mixtures[:, 0], generator=generator), known)
                if len(candidates):
                    losses = self.losses(surrogate, candidates, Budget(device, ms), generator=generator)
                    known = np.concatenate([known, candidates[[int(losses.argmin())]]])
        return known[len(self.evaluated()) :]

    def _candidates(self, mixtures: Tensor, *, generator: torch.Generator) -> np.ndarray:
        drawn = self.simplices.sampled(mixtures, self.n_draws, generator=generator)
        drawn = drawn.reshape(-1, self.space.n_choices)
        return unique(self.space.normal(np.concatenate([self.simplices.likeliest(mixtures), drawn])))


def sweep(objectives: np.ndarray, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Return n budgets in ms over the measured frontier, one drawn from each of n equal ratios, the largest first.

    Parameters
    ----------
    objectives : ndarray, shape (n_measured, 2)
    n : int
    rng : numpy.random.Generator
    """
    low, high = np.log(objectives[frontier(objectives)][[0, -1], LATENCY])
    return np.exp(low + (high - low) * (np.arange(n) + rng.random(n)) / n)[::-1]
