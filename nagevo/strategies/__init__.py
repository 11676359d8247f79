"""Search strategies by name: one published method per file."""

from __future__ import annotations

from collections.abc import Sequence

from nagevo.registry import create, resolve
from nagevo.spaces.base import SearchSpace
from nagevo.strategies.base import Strategy

STRATEGIES = {
    "autoshrink": "nagevo.strategies.autoshrink:AutoShrink",
    "cenas": "nagevo.strategies.cenas:CENAS",
    "dpp_net": "nagevo.strategies.dpp_net:DPPNet",
    "evolution": "nagevo.strategies.evolution:SurrogateEvolution",
    "gaea": "nagevo.strategies.gaea:GAEA",
    "monas": "nagevo.strategies.monas:MONAS",
    "na_darts": "nagevo.strategies.na_darts:NADARTS",
    "na_rs": "nagevo.strategies.na_rs:NeighborhoodRandomSearch",
    "optuna_tpe": "nagevo.strategies.optuna_tpe:OptunaTPE",
    "pnag": "nagevo.strategies.pnag:PNAG",
    "pymoo_nsga2": "nagevo.strategies.pymoo_nsga2:PymooNSGA2",
    "random": "nagevo.strategies.random:RandomSearch",
}

__all__ = ["STRATEGIES", "Strategy", "create_strategy", "resolve_strategy"]


def resolve_strategy(name: str) -> type[Strategy]:
    """Return the class of the strategy called ``name`` (built in, or ``package.module:Class``)."""
    return resolve("strategy", name, STRATEGIES, Strategy)


def create_strategy(name: str, space: SearchSpace, devices: Sequence[str], *, seed: int, evaluations: int, **options):
    """Return the strategy called ``name`` (built in, or ``package.module:Class``) with its options."""
    return create("strategy", resolve_strategy(name), space, devices, seed=seed, evaluations=evaluations, **options)
