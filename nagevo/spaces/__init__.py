"""Search spaces by name."""

from __future__ import annotations

from typing import Any

from nagevo.foundation.registry import Kind
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.precise import with_precisions

SPACES = Kind(
    "space",
    {
        "mobilenetv3": "nagevo.spaces.mobilenetv3.space:MobileNetV3Space",
        "mobilenetv3_small": "nagevo.spaces.mobilenetv3.small:MobileNetV3SmallSpace",
        "nasbench201": "nagevo.spaces.nasbench201.space:NASBench201Space",
        "nasbench_graph": "nagevo.spaces.nasbench_graph:NASBenchGraphSpace",
        "conv1d": "nagevo.spaces.conv1d.space:Conv1dSpace",
        "dag": "nagevo.spaces.dag.space:DAGSpace",
        "rnn_dag": "nagevo.spaces.rnn_dag.space:RNNDAGSpace",
        "catalog": "nagevo.spaces.catalog:CatalogSpace",
        "slimmed": "nagevo.spaces.slimmed.space:SlimmedSpace",
    },
    SearchSpace,
    shared=with_precisions,
)


def create_space(name: str, **options: Any) -> SearchSpace:
    """Return the space called ``name`` (built in, or ``package.module:Class``) with its options."""
    return SPACES.create(name, **options)
