"""Evaluators by name."""

from __future__ import annotations

from nagevo.evaluators.base import OK, Evaluator
from nagevo.registry import create, resolve
from nagevo.spaces.base import SearchSpace

EVALUATORS = {
    "supernet": "nagevo.evaluators.supernet:SupernetEvaluator",
    "training": "nagevo.evaluators.training:TrainingEvaluator",
    "table": "nagevo.evaluators.table:TableEvaluator",
    "ofa_predictor": "nagevo.evaluators.ofa_predictor:OFAPredictorEvaluator",
    "nasbench_graph": "nagevo.evaluators.nasbench_graph:NASBenchGraphEvaluator",
}

__all__ = ["EVALUATORS", "OK", "Evaluator", "create_evaluator", "is_exact"]


def create_evaluator(name: str, space: SearchSpace, *, seed: int = 0, **options) -> Evaluator:
    """Return the evaluator called ``name`` (built in, or ``package.module:Class``) with its options."""
    return create("evaluator", resolve("evaluator", name, EVALUATORS, Evaluator), space, seed=seed, **options)


def is_exact(name: str) -> bool:
    """Return whether this evaluator reads accuracies at no cost and always the same."""
    return resolve("evaluator", name, EVALUATORS, Evaluator).exact
