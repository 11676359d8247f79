"""Parts shared by the gradient-based methods: products of simplices and a differentiable surrogate of measurements.

A *mixture* holds one distribution over the options of every choice: a point of a product of simplices, written as one
row of ``sum(n_options)`` weights. An architecture is a corner of it. Tensors are float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.stats import norm, rankdata
from torch import Tensor, nn
from torch.nn import functional

from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import SearchSpace

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
    measurements : Measurements
        Rows without an accuracy are left out; latencies on some devices may be missing.
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
        log_latency = np.log(np.column_stack([rows.values[device] for device in self.devices]))
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
        """
        number = self.devices.index(device)
        outputs = self._standardized(mixtures)
        return outputs[..., 0], outputs[..., 1 + number] * self.spread[number] + self.center[number]


Loss = Callable[[Tensor], Tensor]
"""From the weights of the operations on the edges of a cell, shape (n_edges, n_operations), to the loss on a batch."""


class Mixture(ABC):
    """The cell of a weight-sharing network while it is learned."""

    @abstractmethod
    def weights(self) -> Tensor:
        """Return the weight of each operation on each edge, detached, shape (n_edges, n_operations)."""

    @abstractmethod
    def step(self, loss: Loss) -> None:
        """Move to a lower loss."""

    def options(self) -> np.ndarray:
        """Return the operation of the largest weight on each edge, as its index among the candidates: (n_edges,)."""
        return self.weights().argmax(dim=1).numpy().astype(np.int8)
