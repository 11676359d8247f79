"""Samplers of Optuna on true evaluations, one study for each device: peers of the comparison."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import create_trial

from nagevo.foundation.options import Option
from nagevo.measure.measurements import Measurements
from nagevo.search.base import Strategy
from nagevo.spaces.base import without

optuna.logging.get_logger("optuna").setLevel(optuna.logging.WARNING)

MAX_ASKED = 10
"""How often the sampler is asked for one new architecture before a random one takes its place."""


@dataclass(eq=False, repr=False, kw_only=True)
class OptunaStudies(Strategy):
    """Propose architectures by a sampler of Optuna, in a study for each device.

    Deviations: Optuna is asked again, up to ten times, where it proposes what is known, so that every proposal counts;
    each study is told what was measured for the other devices as well; the sampler is seeded anew each round.
    """

    n_startup: Annotated[int, Option("Evaluations before the sampler takes over from random search.", ge=1)] = 10

    def __post_init__(self):
        super().__post_init__()
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            f"{i}": CategoricalDistribution(tuple(range(options))) for i, options in enumerate(self.space.n_options)
        }
        self._studies = {device: optuna.create_study(directions=["minimize"] * 2) for device in self.devices}
        self._n_told = 0

    @abstractmethod
    def sampler(self, seed: int) -> BaseSampler:
        """Return the sampler of a round."""

    def tell(self, measurements: Measurements) -> None:
        super().tell(measurements)
        while self._n_told < measurements.n_rounds:
            rows = measurements.rows(measurements.round == self._n_told)
            for device, study in self._studies.items():
                study.add_trials(self._trials(rows.complete(device), device))
            self._n_told += 1

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        proposals = self.evaluated()
        for device, share in self.shares(n).items():
            proposals = self._extended(proposals, device, share, seed=int(rng.integers(2**31)))
        return self.first_new(proposals, n, rng=rng)

    def _extended(self, known: np.ndarray, device: str, n: int, *, seed: int) -> np.ndarray:
        """Return the known architectures followed by n others that a copy of a study asks for one after the other."""
        study = optuna.create_study(directions=["minimize"] * 2, sampler=self.sampler(seed))
        study.add_trials(self._studies[device].get_trials(deepcopy=False))
        n_wanted = len(known) + n
        for _ in range(MAX_ASKED * n):
            if len(known) == n_wanted:
                break
            params = study.ask(self._distributions).params
            row = np.array([[params[name] for name in self._distributions]], dtype=np.int8)
            known = np.concatenate([known, without(self.space.normal(row), known)])
        return known

    def _trials(self, rows: Measurements, device: str) -> list[optuna.trial.FrozenTrial]:
        return [
            create_trial(
                params=dict(zip(self._distributions, map(int, architecture), strict=True)),
                distributions=self._distributions,
                values=objectives.tolist(),
            )
            for architecture, objectives in zip(rows.choices, rows.objectives(device), strict=True)
        ]
