"""Gradient search for each of many budgets, on the surrogate or on a weight-sharing network."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.frontier import VALUE, frontier
from nagevo.foundation.options import Option
from nagevo.foundation.registry import create
from nagevo.search.base import Strategy
from nagevo.search.methods.learning import torch_generator
from nagevo.search.methods.relaxation import Mixture, RelaxedSurrogate, Simplices
from nagevo.search.methods.weight_sharing import SupernetRecipe, frontier_cells
from nagevo.spaces.base import unique, without
from nagevo.spaces.nasbench201.space import NASBench201Space
from nagevo.training.accelerator import torch_threads


class Budget(NamedTuple):
    """The most that one inference may take on a device, in ms."""

    device: str
    ms: float


@dataclass(eq=False, repr=False, kw_only=True)
class RelaxedStrategy(Strategy):
    """Search mixtures by gradient, in one of two modes.

    ``surrogate``, for any space: the first ``initial`` architectures are random. Each later round fits a
    :class:`RelaxedSurrogate` and sweeps, for each device, as many budgets as it has proposals, from the largest to the
    smallest, each started halfway between the mixture that the one before ended in and the uniform one. All members of
    the surrogate have mixtures of their own. Proposed is, for each budget, the new architecture of least mean loss
    among those that the mixtures point to and ``n_draws`` drawn from each; the loss is the error and ``penalty`` times
    the logarithm of latency over budget where the budget is exceeded.

    ``weight_sharing``, for ``nasbench201``: see :mod:`nagevo.search.methods.weight_sharing`. Nothing that is
    evaluated changes what it finds, and every round trains anew: set ``search.rounds`` to 1.

    A subclass defines :meth:`descend` and :meth:`mixture`, and :meth:`losses` where its objective is not the error.
    """

    n_draws: ClassVar[int] = 16
    rates: ClassVar[Mapping[str, float]]

    mode: Annotated[
        Literal["surrogate", "weight_sharing"],
        Option("Source of gradients: a surrogate of the measurements, or a weight-sharing network (nasbench201 only)."),
    ] = "surrogate"
    initial: Annotated[int, Option("Random architectures before the first surrogate.", ge=2)] = 40
    steps: Annotated[int, Option("Gradient steps for each budget (mode surrogate).", ge=1)] = 50
    rate: Annotated[
        float | None,
        Option("Learning rate of the mixtures; null for 0.1, or 0.0003 for na_darts with weight sharing.", gt=0),
    ] = None
    penalty: Annotated[
        float,
        Option("Weight of the logarithm of latency over budget (mode surrogate).", ge=0),
    ] = 10.0
    supernet: Annotated[
        Mapping[str, Any] | None,
        Option("How the weight-sharing network is trained (mode weight_sharing).", of=SupernetRecipe),
    ] = None

    def __post_init__(self):
        super().__post_init__()
        if self.mode == "weight_sharing" and not isinstance(self.space, NASBench201Space):
            raise ConfigError(f"search.mode weight_sharing is for the space nasbench201, got {self.space}")
        self.step_size = self.rates[self.mode] if self.rate is None else self.rate
        self.initial = min(self.initial, max(self.evaluations // 4, 2))
        self.simplices = Simplices(self.space.n_options)

    @abstractmethod
    def mixture(self, n_operations: int, *, edge_weights: bool, generator: torch.Generator) -> Mixture:
        """Return the mixture of a weight-sharing network that is about to be trained."""

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
        with torch_threads(1):
            if self.mode == "weight_sharing":
                return self.first_new(self._cells_of_supernets(), n, rng=rng)
            if self._is_initial():
                return self.first_new(self.space.sample(n, rng=rng), n, rng=rng)
            return self.first_new(self._proposals(n, rng=rng), n, rng=rng)

    def _cells_of_supernets(self) -> np.ndarray:
        """Return what weight sharing finds, the best first."""
        recipe = create("search.supernet", SupernetRecipe, **(self.supernet or {}))
        return frontier_cells(
            recipe, cast(NASBench201Space, self.space), self.measurements, self.mixture, seed=self.seed
        )

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
    """
    low, high = np.log(objectives[frontier(objectives)][[0, -1], VALUE])
    return np.exp(low + (high - low) * (np.arange(n) + rng.random(n)) / n)[::-1]
