"""Search strategies by name: one published method per file."""

from __future__ import annotations

from collections.abc import Sequence

from nagevo.registry import create, resolve
from nagevo.spaces.base import SearchSpace
from nagevo.strategies.base import Strategy

STRATEGIES = {
    "evolution": "nagevo.strategies.evolution:SurrogateEvolution",
    "random": "nagevo.strategies.random:RandomSearch",
}

__all__ = ["STRATEGIES", "Strategy", "create_strategy"]


def create_strategy(name: str, space: SearchSpace, devices: Sequence[str], *, seed: int, evaluations: int, **options):
    """Return the strategy called ``name`` (built in, or ``package.module:Class``) with its options."""
    cls = resolve("strategy", name, STRATEGIES)
    return create("strategy", cls, space, devices, seed=seed, evaluations=evaluations, **options)
