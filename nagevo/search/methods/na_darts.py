"""NA-DARTS: gradient descent on the mean error of the neighborhood."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from nagevo.foundation.errors import ConfigError
from nagevo.search.methods.budget_sweep import Budget, RelaxedStrategy
from nagevo.search.methods.relaxation import Loss, Mixture, RelaxedSurrogate, Simplices
from nagevo.spaces.nasbench201.cell import N_EDGES

N_NEIGHBORS = 4
"""Random neighbors that stand for a neighborhood in a gradient step."""

N_COMPARED = 16
"""Random neighbors that stand for it where candidates are compared."""


class NADARTS(RelaxedStrategy):
    """Optimize probabilities of the options by gradient descent on the mean error of perturbed versions (NA-DARTS).

    References
    ----------
    Wang, Cao, Li, Kitani (2021), "Neighborhood-Aware Neural Architecture Search", BMVC, arXiv 2105.06369. The paper's
    abstract gives the objective, an aggregate of the performance over the neighborhood, and that it needs a
    differentiable representation of the neighborhood. Its formulas were not at hand, so these are design choices of
    nagevo: a neighbor of a mixture has the distribution of one choice, drawn at random, replaced by an option other
    than its likeliest; the mean over four neighbors a step; mixtures as softmax of logits, moved by Adam. Nothing flows
    back through a replaced distribution. The latency under the penalty is that of the mixture itself on a surrogate,
    because the architecture itself is deployed, and of the neighbors with weight sharing, where it comes with their
    losses.
    """

    rates: ClassVar = {"surrogate": 0.1, "weight_sharing": 3e-4}

    def mixture(self, n_operations: int, *, edge_weights: bool, generator: torch.Generator) -> Mixture:
        if edge_weights:
            raise ConfigError("search.supernet.edge_weights is for gaea; na_darts has none")
        return NeighborhoodMixture(n_operations, rate=self.step_size, n_neighbors=N_NEIGHBORS, generator=generator)

    def descend(
        self, surrogate: RelaxedSurrogate, mixtures: Tensor, budget: Budget, *, generator: torch.Generator
    ) -> Tensor:
        logits = torch.log(mixtures).requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=self.step_size)
        for _ in range(self.steps):
            mixtures = self.simplices.softmax(logits)
            near = perturbed(self.simplices, mixtures, N_NEIGHBORS, generator=generator)
            error, log_latency = surrogate(torch.cat([mixtures, near], dim=1), budget.device)
            optimizer.zero_grad()
            (error[:, 1:].mean(1) + self.excess(log_latency[:, 0], budget)).sum().backward()
            optimizer.step()
        return self.simplices.softmax(logits.detach())

    def losses(
        self, surrogate: RelaxedSurrogate, candidates: np.ndarray, budget: Budget, *, generator: torch.Generator
    ) -> Tensor:
        """Return the mean error over random neighbors of each candidate and its own excess of latency, shape (n,)."""
        n = N_COMPARED
        corners = self.simplices.corners(candidates)
        near = perturbed(self.simplices, corners[:, None], n, generator=generator)
        error, _ = surrogate(near.flatten(0, 1), budget.device)
        _, log_latency = surrogate(corners, budget.device)
        return (error.unflatten(1, (-1, n)).mean(-1) + self.excess(log_latency, budget)).mean(0)


class NeighborhoodMixture(Mixture):
    """Softmax distributions over the operations of each edge, moved by Adam to where their neighbors lose little.

    Parameters
    ----------
    n_neighbors : int
        Neighbors in each step.
    generator : torch.Generator
        Draws the neighbors.
    """

    def __init__(self, n_operations: int, *, rate: float, n_neighbors: int, generator: torch.Generator):
        self.simplices, self.n_neighbors, self.generator = Simplices((n_operations,) * N_EDGES), n_neighbors, generator
        self.logits = torch.zeros(len(self.simplices.owner), requires_grad=True)
        self.optimizer = torch.optim.Adam([self.logits], lr=rate)

    def weights(self) -> Tensor:
        return self.simplices.softmax(self.logits.detach()).view(N_EDGES, -1)

    def step(self, loss: Loss) -> None:
        mixture = self.simplices.softmax(self.logits)[None, None]
        near = perturbed(self.simplices, mixture, self.n_neighbors, generator=self.generator)[0]
        self.optimizer.zero_grad()
        for neighbor in near:  # one after the other, for the memory that their networks take
            (loss(neighbor.view(N_EDGES, -1)) / self.n_neighbors).backward(retain_graph=True)
        self.optimizer.step()


def perturbed(simplices: Simplices, mixtures: Tensor, n: int, *, generator: torch.Generator) -> Tensor:
    """Return neighbors of mixtures: the distribution of one random choice replaced by one of its unlikely options.

    Parameters
    ----------
    mixtures : Tensor, shape (n_mixtures, 1, sum(sizes))
    n : int
        Neighbors of each.

    Returns
    -------
    Tensor, shape (n_mixtures, n, sum(sizes))
        Differentiable with respect to what is not replaced.
    """
    likeliest = simplices.corners(simplices.likeliest(mixtures.detach()[:, 0]))
    n_others = torch.tensor(simplices.sizes)[simplices.owner] - 1
    chances = (1.0 - likeliest) / n_others.clamp(min=1)  # all choices alike, and all other options of a choice
    chosen = torch.multinomial(chances, n, replacement=True, generator=generator)  # (n_mixtures, n)
    replaced = (simplices.owner == simplices.owner[chosen][..., None]).float()  # (n_mixtures, n, sum(sizes))
    option = torch.zeros_like(replaced).scatter_(2, chosen[..., None], 1.0)
    return mixtures * (1.0 - replaced) + option
