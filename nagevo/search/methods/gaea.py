"""GAEA: exponentiated gradients on the simplices of the options."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from nagevo.search.methods.budget_sweep import Budget, RelaxedStrategy
from nagevo.search.methods.relaxation import Loss, Mixture, RelaxedSurrogate, Simplices
from nagevo.spaces.nasbench201.cell import INCOMING_EDGES, N_EDGES


class GAEA(RelaxedStrategy):
    """Optimize probabilities of the options by exponentiated gradient descent on the simplex (GAEA).

    References
    ----------
    Li, Khodak, Balcan, Talwalkar (2021), "Geometry-Aware Gradient Algorithms for Neural Architecture Search", ICLR. The
    update was read in the authors' code: mixtures start uniform; ``alpha * exp(-rate * gradient)``, clamped at 1e-5,
    divided by its sum. So were single-level and bi-level search, the weights of edges, and the training of the
    weights, for the mode ``weight_sharing``.

    Deviations: the penalty on latency, with which either mode traces a frontier. On a surrogate there are no weights to
    share, so that single-level, bi-level and edge weights mean nothing there.
    """

    rates: ClassVar = {"surrogate": 0.1, "weight_sharing": 0.1}

    def descend(
        self, surrogate: RelaxedSurrogate, mixtures: Tensor, budget: Budget, *, generator: torch.Generator
    ) -> Tensor:
        for _ in range(self.steps):
            mixtures = mixtures.detach().requires_grad_()
            error, log_latency = surrogate(mixtures, budget.device)
            (gradient,) = torch.autograd.grad((error + self.excess(log_latency, budget)).sum(), mixtures)
            mixtures = self.simplices.exponentiated_step(mixtures.detach(), gradient, self.step_size)
        return mixtures

    def mixture(self, n_operations: int, *, edge_weights: bool, generator: torch.Generator) -> Mixture:
        return ExponentiatedMixture(n_operations, rate=self.step_size, edge_weights=edge_weights)


class ExponentiatedMixture(Mixture):
    """Distributions over the operations of each edge, moved by exponentiated gradients.

    Parameters
    ----------
    edge_weights : bool
        Whether the edges into a node have weights too, which start equal, add up to 1 and move alike; else every edge
        counts as it is.
    """

    def __init__(self, n_operations: int, *, rate: float = 0.1, edge_weights: bool = False):
        self.rate, self.has_edge_weights = rate, edge_weights
        self.operations, self.edges = Simplices((n_operations,) * N_EDGES), Simplices(INCOMING_EDGES)
        self.operation_weights, self.edge_weights = self.operations.uniform(), self.edges.uniform()

    def weights(self) -> Tensor:
        return self._product(self.operation_weights, self.edge_weights)

    def _product(self, operation_weights: Tensor, edge_weights: Tensor) -> Tensor:
        weights = operation_weights.view(N_EDGES, -1)
        return weights * edge_weights[:, None] if self.has_edge_weights else weights

    def step(self, loss: Loss) -> None:
        operation_weights = self.operation_weights.clone().requires_grad_()
        edge_weights = self.edge_weights.clone().requires_grad_()
        product = loss(self._product(operation_weights, edge_weights))
        used = (operation_weights, edge_weights) if self.has_edge_weights else (operation_weights,)
        gradients = torch.autograd.grad(product, used)
        self.operation_weights = self.operations.exponentiated_step(self.operation_weights, gradients[0], self.rate)
        if self.has_edge_weights:
            self.edge_weights = self.edges.exponentiated_step(self.edge_weights, gradients[1], self.rate)
