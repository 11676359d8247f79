"""Evaluators by name."""

from __future__ import annotations

from nagevo.foundation.registry import create, resolve
from nagevo.measure.accuracy.base import OK, Evaluator
from nagevo.spaces.base import SearchSpace

EVALUATORS = {
    "supernet": "nagevo.measure.accuracy.supernet:SupernetEvaluator",
    "training": "nagevo.measure.accuracy.training:TrainingEvaluator",
    "table": "nagevo.measure.accuracy.table:TableEvaluator",
    "ofa_predictor": "nagevo.measure.accuracy.ofa_predictor:OFAPredictorEvaluator",
    "nasbench_graph": "nagevo.measure.accuracy.nasbench_graph:NASBenchGraphEvaluator",
}

__all__ = ["EVALUATORS", "OK", "Evaluator", "create_evaluator", "is_exact"]


def create_evaluator(name: str, space: SearchSpace, *, seed: int = 0, **options) -> Evaluator:
    """Return the evaluator called ``name`` (built in, or ``package.module:Class``) with its options."""
    return create("evaluator", resolve("evaluator", name, EVALUATORS, Evaluator), space, seed=seed, **options)


def is_exact(name: str) -> bool:
    """Return whether this evaluator reads accuracies at no cost and always the same."""
    return resolve("evaluator", name, EVALUATORS, Evaluator).exact
