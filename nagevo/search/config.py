"""Options of the evolution on fitted surrogates: the section ``evolve``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nagevo.foundation.options import Option


@dataclass(frozen=True)
class EvolveConfig:
    """Size of the evolution on the surrogates that finds the frontier targets."""

    population: Annotated[int, Option("Architectures in a generation.", ge=4)] = 200
    generations: Annotated[int, Option("Generations.", ge=1)] = 100
