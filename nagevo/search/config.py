"""Options of the evolution on fitted surrogates: the section ``evolve``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from nagevo.foundation.options import Option

Limits = Annotated[Sequence[Annotated[float, Option("", ge=0)]] | None, Option("Lowest and highest value.")]


@dataclass(frozen=True)
class RangeConfig:
    """Range of each quantity in which a search spends its evaluations; null for everywhere."""

    latency_ms: Limits = None
    energy_mj: Limits = None
    file_kb: Limits = None


@dataclass(frozen=True)
class StopConfig:
    """When a search ends before its evaluations are spent."""

    gain: Annotated[
        float,
        Option(
            "Fraction of the hypervolume: the search ends when the last `rounds` rounds together gained less than "
            "it, and as many further rounds are expected to gain less.",
            gt=0,
            lt=1,
        ),
    ] = 0.005
    rounds: Annotated[int, Option("Number of rounds over which the gain is summed.", ge=1)] = 3


@dataclass(frozen=True)
class EvolveConfig:
    """Size of the evolution on the surrogates that finds the frontier targets."""

    population: Annotated[int, Option("Architectures in a generation.", ge=4)] = 200
    generations: Annotated[int, Option("Generations.", ge=1)] = 100
