"""Search spaces by name."""

from __future__ import annotations

from nagevo.foundation.registry import create, resolve
from nagevo.spaces.base import SearchSpace

SPACES = {
    "mobilenetv3": "nagevo.spaces.mobilenetv3.space:MobileNetV3Space",
    "mobilenetv3_small": "nagevo.spaces.mobilenetv3.small:MobileNetV3SmallSpace",
    "nasbench201": "nagevo.spaces.nasbench201.space:NASBench201Space",
    "nasbench_graph": "nagevo.spaces.nasbench_graph:NASBenchGraphSpace",
    "dag": "nagevo.spaces.dag.space:DAGSpace",
}


def create_space(name: str, **options) -> SearchSpace:
    """Return the space called ``name`` (built in, or ``package.module:Class``) with its options."""
    return create("space", resolve("space", name, SPACES, SearchSpace), **options)
