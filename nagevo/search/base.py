"""Strategies: they choose which architectures to measure next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from nagevo.learn.feasibility import Feasibility
from nagevo.measure.measurements import Measurements
from nagevo.spaces.base import SearchSpace, unique, without


@dataclass(eq=False, repr=False)
class Strategy(ABC):
    """Proposes architectures round by round.

    A strategy is told everything measured so far and asked for the next architectures. What it asks is a function of
    its seed and of the measurements: rebuilt in another process, it makes the same proposals from the same table.

    Parameters
    ----------
    devices : tuple of str
        Names of the devices whose frontiers are searched, all from the same accuracies.
    evaluations : int
        Number of full readings of accuracies in all rounds together.

    Attributes
    ----------
    default_rounds : int
        Number of rounds that the evaluations are split into where the config does not say.
    uses_cheap_readings : bool
        Whether it learns from ``Measurements.cheap``. Every other strategy gets full readings alone.
    """

    space: SearchSpace
    devices: tuple[str, ...]
    _: KW_ONLY
    seed: int = 0
    evaluations: int = 200

    default_rounds: ClassVar[int] = 25
    uses_cheap_readings: ClassVar[bool] = False

    def __post_init__(self):
        self.devices = tuple(self.devices)
        Strategy.tell(self, Measurements.empty(self.space, self.devices))

    @classmethod
    def round_sizes(cls, evaluations: int, rounds: int | None = None) -> list[int]:
        """Return how many architectures each round proposes; they add up to ``evaluations``."""
        rounds = max(1, min(rounds or cls.default_rounds, evaluations))
        return [len(part) for part in np.array_split(np.empty(evaluations), rounds)]

    def tell(self, measurements: Measurements) -> None:
        """Take all measurements so far, those of earlier rounds included."""
        self.measurements = measurements
        self.feasibility = Feasibility(self.space, measurements)

    @abstractmethod
    def ask(self, n: int) -> np.ndarray:
        """Return the next n architectures, shape (n, n_choices): in normal form, distinct, not evaluated before.

        Fewer only when the space has no more, or none where the strategy ends the search early.
        """

    def ask_cheaply(self, n: int) -> np.ndarray:
        """Return n architectures for cheap readings after the first round, in normal form, distinct.

        The evaluated ones come first: they tell how cheap and full readings are related. Fewer only when the space has
        no more.
        """
        evaluated = self.evaluated()[:n]
        missing = n - len(evaluated)
        return np.concatenate([evaluated, self.ask(missing)]) if missing else evaluated

    def round_rng(self) -> np.random.Generator:
        """Return the generator of the coming round: the same for the same seed and number of rounds told."""
        return np.random.default_rng([self.seed, self.measurements.n_rounds])

    def shares(self, n: int) -> dict[str, int]:
        """Return how many of n proposals each device gets; the remainder goes to other devices in each round."""
        first = self.measurements.n_rounds % len(self.devices)
        order = self.devices[first:] + self.devices[:first]
        return {device: len(part) for device, part in zip(order, np.array_split(np.empty(n), len(order)), strict=True)}

    def evaluated(self) -> np.ndarray:
        """Return the architectures whose accuracy was read or tried, shape (n_evaluated, n_choices)."""
        return self.measurements.choices[self.measurements.round >= 0]

    def first_new(self, ranked: np.ndarray, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return the first n of the ranked architectures that are new, completed by random ones where they run out.

        Architectures that are likely to fail on all devices come last.
        """
        new = without(unique(self.space.normal(ranked)), self.evaluated())
        hopeless = ~np.any([self.feasibility.feasible(device, new) for device in self.devices], axis=0)
        new = new[np.argsort(hopeless, kind="stable")][:n]
        known = np.concatenate([self.evaluated(), new])
        missing = min(n - len(new), self.space.size - len(known))
        return np.concatenate([new, self.space.sample_distinct(missing, rng=rng, exclude=known)])
