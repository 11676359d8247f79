"""Multi-objective TPE of Optuna on true evaluations: a peer of the comparison."""

from __future__ import annotations

from optuna.samplers import TPESampler

from nagevo.search.methods.optuna_study import OptunaStudies


class OptunaTPE(OptunaStudies):
    """Propose architectures by Optuna's multi-objective tree-structured Parzen estimator, one study for each device.

    References
    ----------
    Akiba et al. (2019), "Optuna: A Next-generation Hyperparameter Optimization Framework"; Ozaki et al. (2020),
    "Multiobjective tree-structured Parzen estimator for computationally expensive optimization problems".

    Deviations: see :class:`OptunaStudies`.
    """

    def sampler(self, seed: int) -> TPESampler:
        return TPESampler(n_startup_trials=self.n_startup, seed=seed)
