"""Search strategies by name: one published method per file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nagevo.foundation.registry import Kind
from nagevo.search.base import Strategy
from nagevo.spaces.base import SearchSpace

STRATEGIES = Kind(
    "strategy",
    {
        "autoshrink": "nagevo.search.methods.autoshrink:AutoShrink",
        "botorch_ehvi": "nagevo.search.methods.botorch_ehvi:BotorchEHVI",
        "cenas": "nagevo.search.methods.cenas:CENAS",
        "dpp_net": "nagevo.search.methods.dpp_net:DPPNet",
        "evolution": "nagevo.search.surrogate_evolution:SurrogateEvolution",
        "gaea": "nagevo.search.methods.gaea:GAEA",
        "monas": "nagevo.search.methods.monas:MONAS",
        "na_darts": "nagevo.search.methods.na_darts:NADARTS",
        "na_rs": "nagevo.search.methods.na_rs:NeighborhoodRandomSearch",
        "optuna_gp": "nagevo.search.methods.optuna_gp:OptunaGP",
        "optuna_tpe": "nagevo.search.methods.optuna_tpe:OptunaTPE",
        "pnag": "nagevo.search.methods.pnag:PNAG",
        "pymoo_nsga2": "nagevo.search.methods.pymoo_nsga2:PymooNSGA2",
        "random": "nagevo.search.random:RandomSearch",
    },
    Strategy,
    provided=("space", "devices", "seed", "evaluations"),
)

__all__ = ["STRATEGIES", "Strategy", "create_strategy", "resolve_strategy"]


def resolve_strategy(name: str) -> type[Strategy]:
    """Return the class of the strategy called ``name`` (built in, or ``package.module:Class``)."""
    return STRATEGIES.resolve(name)


def create_strategy(
    name: str, space: SearchSpace, devices: Sequence[str], *, seed: int, evaluations: int, **options: Any
) -> Strategy:
    """Return the strategy called ``name`` (built in, or ``package.module:Class``) with its options."""
    return STRATEGIES.create(name, space, devices, seed=seed, evaluations=evaluations, **options)
