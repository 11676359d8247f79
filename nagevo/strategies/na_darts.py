"""NA-DARTS: gradient descent on the mean error of the neighborhood."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nagevo.strategies.relaxation import Budget, RelaxedStrategy, RelaxedSurrogate, Simplices


class NADARTS(RelaxedStrategy):
    """Move mixtures so that their perturbed versions err little, which leads to architectures in flat surroundings.

    Parameters
    ----------
    initial, steps, rate, penalty
        See :class:`~nagevo.strategies.relaxation.RelaxedStrategy`.
    n_neighbors : int
        Neighbors that stand for the neighborhood in a step; four times as many where candidates are compared.

    References
    ----------
    Wang, Cao, Li, Kitani (2021), "Neighborhood-Aware Neural Architecture Search", BMVC, arXiv 2105.06369. The paper's
    abstract gives the objective, an aggregate of the performance over the neighborhood, and that it needs a
    differentiable representation of the neighborhood. Its formulas were not at hand, so these are design choices of
    nagevo: a neighbor of a mixture has the distribution of one choice, drawn at random, replaced by an option other
    than its likeliest; the mean over four neighbors; mixtures as softmax of logits, moved by Adam. Nothing flows back
    through a replaced distribution. The latency under the penalty is that of the mixture itself, because the
    architecture itself is deployed.
    """

    def __init__(self, *args, n_neighbors: int = 4, rate: float = 0.1, **options):
        super().__init__(*args, rate=rate, **options)
        self.n_neighbors = n_neighbors

    def descend(
        self, surrogate: RelaxedSurrogate, mixtures: Tensor, budget: Budget, *, generator: torch.Generator
    ) -> Tensor:
        logits = torch.log(mixtures).requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=self.rate)
        for _ in range(self.steps):
            mixtures = self.simplices.softmax(logits)
            near = perturbed(self.simplices, mixtures, self.n_neighbors, generator=generator)
            error, (_, log_latency) = surrogate(near, budget.device)[0], surrogate(mixtures, budget.device)
            optimizer.zero_grad()
            (error.mean(1) + self.excess(log_latency, budget)[:, 0]).sum().backward()
            optimizer.step()
        return self.simplices.softmax(logits.detach())

    def losses(
        self, surrogate: RelaxedSurrogate, candidates: np.ndarray, budget: Budget, *, generator: torch.Generator
    ) -> Tensor:
        """Return the mean error over random neighbors of each candidate and its own excess of latency, shape (n,)."""
        n = 4 * self.n_neighbors
        corners = self.simplices.corners(candidates)
        near = perturbed(self.simplices, corners[:, None], n, generator=generator)
        error, _ = surrogate(near.flatten(0, 1), budget.device)
        _, log_latency = surrogate(corners, budget.device)
        return (error.unflatten(1, (-1, n)).mean(-1) + self.excess(log_latency, budget)).mean(0)


def perturbed(simplices: Simplices, mixtures: Tensor, n: int, *, generator: torch.Generator) -> Tensor:
    """Return neighbors of mixtures: the distribution of one random choice replaced by one of its unlikely options.

    Parameters
    ----------
    simplices : Simplices
    mixtures : Tensor, shape (n_mixtures, 1, sum(sizes))
    n : int
        Neighbors of each.
    generator : torch.Generator

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
