"""Expected hypervolume improvement by BoTorch: a peer of the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import torch
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.model import Model
from botorch.models.transforms import Standardize
from botorch.utils.multi_objective.box_decompositions.non_dominated import NondominatedPartitioning
from gpytorch.mlls import ExactMarginalLogLikelihood
from torch import Tensor

from nagevo.foundation.frontier import frontier
from nagevo.foundation.options import Option
from nagevo.search.base import Strategy
from nagevo.spaces.base import RowIndex, SearchSpace, unique, without

KNOWN_STD = 1e-4
"""Standard deviation of a known latency, on the scale of the frontier: the formula divides by it."""
ROWS_AT_ONCE = 2000


class BotorchEHVI(Strategy):
    """Propose the largest analytic expected hypervolume improvement of BoTorch's Gaussian processes.

    References
    ----------
    Balandat et al. (2020), "BoTorch: A Framework for Efficient Monte-Carlo Bayesian Optimization"; Yang, Emmerich,
    Deutz, Back (2019), "Efficient computation of expected hypervolume improvement using box decomposition algorithms".

    Deviations: the inputs are one-hot choices. Candidates are random architectures, those of known latency, and
    neighbors of the measured frontier, of which the best ones' neighbors follow twice (BoTorch's own discrete local
    search asks one point at a time). Latencies that are known without an evaluation are used, as the default strategy
    uses them; where some are not, they have a process of their own. Several proposals of a round are chosen one after
    the other, each as if those before it had been measured with their predicted values.
    """

    def __init__(
        self,
        space: SearchSpace,
        devices: Sequence[str],
        *,
        seed: int = 0,
        evaluations: int = 200,
        n_startup: Annotated[int, Option("Evaluations before the processes take over from random search.", ge=2)] = 20,
        candidates: Annotated[int, Option("Random architectures among the candidates of a round.", ge=1)] = 2000,
    ):
        super().__init__(space, devices, seed=seed, evaluations=evaluations)
        self.n_startup, self.candidates = n_startup, candidates

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        if min(len(self.measurements.complete(device)) for device in self.devices) < self.n_startup:
            return self.first_new(self.space.sample(n, rng=rng), n, rng=rng)
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**31)))
            chosen = [self._chosen(device, share, rng) for device, share in self.shares(n).items() if share]
        return self.first_new(np.concatenate(chosen), n, rng=rng)

    def _chosen(self, device: str, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n candidates for a device."""
        objectives = self.measurements.complete(device).objectives(device)
        best = objectives[frontier(objectives)]
        low, span = best.min(axis=0), np.ptp(best, axis=0)
        span = np.where(span > 0, span, 1.0)
        known = self.measurements.complete(device).choices
        targets = (low - objectives) / span  # both maximized
        if np.isfinite(self.measurements.values[device]).sum() == self.space.size:
            targets = targets[:, :1]
        models = _fitted(self._one_hot(known), torch.from_numpy(targets))
        pool = self._pool(device, rng)
        measured = torch.from_numpy((low - best) / span)
        chosen = np.empty((0, self.space.n_choices), dtype=np.int8)
        for _ in range(n):
            pool = without(pool, np.concatenate([self.evaluated(), chosen]))
            if not len(pool):
                break
            for _ in range(2):
                mean, std = self._predicted(models, device, pool, low[1], span[1])
                gain = _improvement(mean, std, measured)
                top = pool[gain.argsort(descending=True)[:5].numpy()]
                pool = unique(np.concatenate([pool, *(self.space.neighbors(row) for row in top)]))
                pool = without(pool, np.concatenate([self.evaluated(), chosen]))
            mean, std = self._predicted(models, device, pool, low[1], span[1])
            place = int(_improvement(mean, std, measured).argmax())
            chosen, measured = np.concatenate([chosen, pool[[place]]]), torch.cat([measured, mean[[place]]])
        return chosen

    def _pool(self, device: str, rng: np.random.Generator) -> np.ndarray:
        """Return new architectures to choose from."""
        complete = self.measurements.complete(device)
        best = complete.choices[frontier(complete.objectives(device))]
        known = self.measurements.choices[self.measurements.round < 0]
        drawn = self.space.sample(self.candidates, rng=rng)
        return without(
            unique(np.concatenate([known, drawn, *(self.space.neighbors(row) for row in best)])), self.evaluated()
        )

    def _predicted(
        self, models: Sequence[SingleTaskGP], device: str, choices: np.ndarray, low: float, span: float
    ) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of both objectives, scaled and maximized, of shape (n, 2)."""
        inputs, means, stds = self._one_hot(choices), [], []
        with torch.no_grad():
            for part in inputs.split(ROWS_AT_ONCE):
                posteriors = [each.posterior(part) for each in models]
                means.append(torch.cat([posterior.mean for posterior in posteriors], dim=1))
                stds.append(torch.cat([posterior.variance for posterior in posteriors], dim=1).sqrt())
        mean, std = (torch.nn.functional.pad(torch.cat(parts), (0, 2 - len(models))) for parts in (means, stds))
        rows = RowIndex(self.measurements.choices).rows(choices)
        latency = np.append(self.measurements.values[device], np.nan)[rows]
        known = np.isfinite(latency)
        mean[known, 1] = torch.from_numpy((low - latency[known]) / span)
        std[known, 1] = KNOWN_STD
        return mean, std

    def _one_hot(self, choices: np.ndarray) -> Tensor:
        """Return the choices as one-hot rows, float64."""
        return torch.from_numpy(SearchSpace.features(self.space, choices)).double()


def _fitted(inputs: Tensor, targets: Tensor) -> list[SingleTaskGP]:
    """Return a fitted process of each target, shape (n, n_targets)."""
    models = [SingleTaskGP(inputs, targets[:, [i]], outcome_transform=Standardize(1)) for i in range(targets.shape[1])]
    for model in models:
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return models


def _improvement(mean: Tensor, std: Tensor, measured: Tensor) -> Tensor:
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
