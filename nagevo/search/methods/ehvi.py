"""The formula of BoTorch's expected hypervolume improvement, and the processes that it is fed with."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.model import Model
from botorch.models.transforms import Standardize
from botorch.utils.multi_objective.box_decompositions.non_dominated import NondominatedPartitioning
from gpytorch.mlls import ExactMarginalLogLikelihood
from torch import Tensor

ROWS_AT_ONCE = 2000


def predicted(models: Sequence[SingleTaskGP], inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each target, shape (n, n_targets)."""
    means, stds = [], []
    with torch.no_grad():
        for part in inputs.split(ROWS_AT_ONCE):
            posteriors = [each.posterior(part) for each in models]
            means.append(torch.cat([posterior.mean for posterior in posteriors], dim=1))
            stds.append(torch.cat([posterior.variance for posterior in posteriors], dim=1).sqrt())
    return torch.cat(means), torch.cat(stds)


def fitted(inputs: Tensor, targets: Tensor) -> list[SingleTaskGP]:
    """Return a fitted process of each target, shape (n, n_targets)."""
    models = [SingleTaskGP(inputs, targets[:, [i]], outcome_transform=Standardize(1)) for i in range(targets.shape[1])]
    for model in models:
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return models


def improvement(mean: Tensor, std: Tensor, measured: Tensor) -> Tensor:
    """Return the expected improvement of the hypervolume up to (−1.1, −1.1), shape (n,).

    Parameters
    ----------
    mean, std : Tensor, shape (n, 2)
        Maximized.
    measured : Tensor, shape (n_measured, 2)
    """
    reference = torch.full((2,), -1.1, dtype=torch.float64)
    partitioning = NondominatedPartitioning(reference, Y=measured)
    formula = ExpectedHypervolumeImprovement(_Given(), reference.tolist(), partitioning)
    with torch.no_grad():
        return torch.cat([formula(part[:, None]) for part in torch.cat([mean, std], dim=1).split(ROWS_AT_ONCE)])


class _Given(Model):
    """A model whose input is its own prediction: means and standard deviations of two objectives, shape (…, 1, 4)."""

    @property
    def num_outputs(self) -> int:
        return 2

    def posterior(self, X: Tensor, *args: Any, **options: Any) -> Any:
        return SimpleNamespace(mean=X[..., :2], variance=X[..., 2:] ** 2)
