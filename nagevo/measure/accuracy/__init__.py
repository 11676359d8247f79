"""Evaluators by name."""

from __future__ import annotations

from typing import Any

from nagevo.foundation.registry import Kind
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.status import OK
from nagevo.spaces.base import SearchSpace

EVALUATORS = Kind(
    "evaluator",
    {
        "supernet": "nagevo.measure.accuracy.supernet:SupernetEvaluator",
        "training": "nagevo.measure.accuracy.training:TrainingEvaluator",
        "table": "nagevo.measure.accuracy.table:TableEvaluator",
        "ofa_predictor": "nagevo.measure.accuracy.ofa_predictor:OFAPredictorEvaluator",
        "nasbench_graph": "nagevo.measure.accuracy.nasbench_graph:NASBenchGraphEvaluator",
    },
    Evaluator,
    provided=("space", "seed"),
)

__all__ = ["EVALUATORS", "OK", "Evaluator", "create_evaluator"]


def create_evaluator(name: str, space: SearchSpace, *, seed: int = 0, **options: Any) -> Evaluator:
    """Return the evaluator called ``name`` (built in, or ``package.module:Class``) with its options."""
    return EVALUATORS.create(name, space, seed=seed, **options)
