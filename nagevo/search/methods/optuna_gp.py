"""Gaussian processes of Optuna on true evaluations: a peer of the comparison."""

from __future__ import annotations

import warnings

import optuna
from optuna.samplers import GPSampler

from nagevo.search.methods.optuna_study import OptunaStudies


class OptunaGP(OptunaStudies):
    """Maximize the log expected hypervolume improvement by Optuna's Gaussian processes, one study for each device.

    References
    ----------
    Akiba et al. (2019), "Optuna: A Next-generation Hyperparameter Optimization Framework"; Ament et al. (2023),
    "Unexpected Improvements to Expected Improvement for Bayesian Optimization".

    Deviations: see :class:`OptunaStudies`. Both objectives are taken for exact, as they are in tables. The latency of
    architectures that were not evaluated is predicted, even where it is known.
    """

    def sampler(self, seed: int) -> GPSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return GPSampler(n_startup_trials=self.n_startup, seed=seed, deterministic_objective=True)
