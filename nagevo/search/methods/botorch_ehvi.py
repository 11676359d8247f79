"""Expected hypervolume improvement by BoTorch: a peer of the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from nagevo.foundation.errors import optional_packages
from nagevo.foundation.frontier import frontier
from nagevo.foundation.options import Option
from nagevo.search.base import Strategy
from nagevo.spaces.base import RowIndex, SearchSpace, unique, without

if TYPE_CHECKING:
    from torch import Tensor

KNOWN_STD = 1e-4
"""Standard deviation of a known latency, on the scale of the frontier: the formula divides by it."""


@dataclass(eq=False, repr=False, kw_only=True)
class BotorchEHVI(Strategy):
    """Maximize the analytic expected hypervolume improvement under BoTorch's Gaussian processes.

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

    n_startup: Annotated[int, Option("Evaluations before the processes take over from random search.", ge=2)] = 20
    candidates: Annotated[int, Option("Random architectures among the candidates of a round.", ge=1)] = 2000

    def __post_init__(self):
        super().__post_init__()
        with optional_packages('strategy "botorch_ehvi"'):
            import botorch  # noqa: F401 -- refused before anything is measured

    def ask(self, n: int) -> np.ndarray:
        import torch

        rng = self.round_rng()
        if min(len(self.measurements.complete(device)) for device in self.devices) < self.n_startup:
            return self.first_new(self.space.sample(n, rng=rng), n, rng=rng)
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**31)))
            chosen = [self._chosen(device, share, rng) for device, share in self.shares(n).items() if share]
        return self.first_new(np.concatenate(chosen), n, rng=rng)

    def _chosen(self, device: str, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n candidates for a device."""
        import torch

        from nagevo.search.methods.ehvi import fitted, improvement

        objectives = self.measurements.complete(device).objectives(device)
        best = objectives[frontier(objectives)]
        low, span = best.min(axis=0), np.ptp(best, axis=0)
        span = np.where(span > 0, span, 1.0)
        known = self.measurements.complete(device).choices
        targets = (low - objectives) / span  # both maximized
        if np.isfinite(self.measurements.values[device]).sum() == self.space.size:
            targets = targets[:, :1]
        models = fitted(self._one_hot(known), torch.from_numpy(targets))
        measured = torch.from_numpy((low - best) / span)

        def predicted(choices: np.ndarray) -> tuple[Tensor, Tensor]:
            return self._predicted(models, device, choices, low[1], span[1])

        pool = self._pool(device, rng)
        mean, std = predicted(pool)
        chosen: list[np.ndarray] = []
        for _ in range(min(n, len(pool))):
            for _ in range(2):
                top = pool[improvement(mean, std, measured).argsort(descending=True)[:5].numpy()]
                around = unique(np.concatenate([self.space.neighbors(row) for row in top]))
                new = without(around, np.concatenate([self.evaluated(), pool, *chosen]))
                pool = np.concatenate([pool, new])
                mean, std = (torch.cat(parts) for parts in zip((mean, std), predicted(new), strict=True))
            place = int(improvement(mean, std, measured).argmax())
            chosen.append(pool[[place]])
            measured = torch.cat([measured, mean[[place]]])
            others = np.delete(np.arange(len(pool)), place)
            pool, mean, std = pool[others], mean[others], std[others]
        return np.concatenate([np.empty((0, self.space.n_choices), dtype=np.int8), *chosen])

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
        self, models: Sequence[Any], device: str, choices: np.ndarray, low: float, span: float
    ) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of both objectives, scaled and maximized, of shape (n, 2)."""
        import torch

        from nagevo.search.methods.ehvi import predicted

        parts = predicted(models, self._one_hot(choices))
        mean, std = (torch.nn.functional.pad(part, (0, 2 - len(models))) for part in parts)
        rows = RowIndex(self.measurements.choices).rows(choices)
        latency = np.append(self.measurements.values[device], np.nan)[rows]
        known = np.isfinite(latency)
        mean[known, 1] = torch.from_numpy((low - latency[known]) / span)
        std[known, 1] = KNOWN_STD
        return mean, std

    def _one_hot(self, choices: np.ndarray) -> Tensor:
        """Return the choices as one-hot rows, float64."""
        import torch

        return torch.from_numpy(SearchSpace.features(self.space, choices)).double()
