"""GAEA: exponentiated gradients on the simplices of the options."""

from __future__ import annotations

import torch
from torch import Tensor

from nagevo.strategies.relaxation import Budget, RelaxedStrategy, RelaxedSurrogate


class GAEA(RelaxedStrategy):
    """Move mixtures by exponentiated gradient steps, for which the simplex is the natural geometry.

    Parameters
    ----------
    initial, steps, rate, penalty
        See :class:`~nagevo.strategies.relaxation.RelaxedStrategy`. The published learning rate is 0.1.

    References
    ----------
    Li, Khodak, Balcan, Talwalkar (2021), "Geometry-Aware Gradient Algorithms for Neural Architecture Search", ICLR.
    The update was read in the authors' code: mixtures start uniform; ``alpha * exp(-rate * gradient)``, clamped at
    1e-5, divided by its sum.
    """

    def descend(
        self, surrogate: RelaxedSurrogate, mixtures: Tensor, budget: Budget, *, generator: torch.Generator
    ) -> Tensor:
        for _ in range(self.steps):
            mixtures = mixtures.detach().requires_grad_()
            error, log_latency = surrogate(mixtures, budget.device)
            (gradient,) = torch.autograd.grad((error + self.excess(log_latency, budget)).sum(), mixtures)
            mixtures = self.simplices.exponentiated_step(mixtures.detach(), gradient, self.rate)
        return mixtures
