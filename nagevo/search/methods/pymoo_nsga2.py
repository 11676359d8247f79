"""NSGA-II of pymoo on true evaluations: a peer of the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.termination import NoTermination
from pymoo.core.variable import Choice
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.rm import ChoiceRandomMutation

from nagevo.foundation.options import Option
from nagevo.search.base import Strategy
from nagevo.spaces.base import RowIndex, SearchSpace, among


@dataclass(eq=False, repr=False, kw_only=True)
class PymooNSGA2(Strategy):
    """Propose architectures by pymoo's NSGA-II on measured objectives, one population for each device.

    References
    ----------
    Blank and Deb (2020), "pymoo: Multi-objective Optimization in Python", IEEE Access; Deb et al. (2002), "A fast and
    elitist multiobjective genetic algorithm: NSGA-II". Uniform crossover and pymoo's mutation of categorical variables.

    Deviations: a generation has as many children as the round asks; children that were measured before are replaced, so
    that every child counts; each population is told what was measured for the other devices as well.
    """

    default_rounds: ClassVar[int] = 10

    population: Annotated[int, Option("Architectures that survive a generation.", ge=2)] = 20

    def __post_init__(self):
        super().__post_init__()
        self.searches = {device: Generations(self, device) for device in self.devices}

    def ask(self, n: int) -> np.ndarray:
        rng = self.round_rng()
        children = np.empty((0, self.space.n_choices), dtype=np.int8)
        for device, share in self.shares(n).items():
            if share:
                born = self.searches[device].children(share, rng=rng)
                children = np.concatenate([children, self.first_new(born, share, rng=rng)])
        return self.first_new(children, n, rng=rng)


class Generations:
    """pymoo's algorithm for one device, told the rounds of the strategy's table one by one."""

    def __init__(self, strategy: PymooNSGA2, device: str):
        self.strategy, self.device = strategy, device
        space = strategy.space
        self.problem = Problem(vars={name: Choice(options=range(n)) for name, n in enumerate(space.n_options)}, n_obj=2)
        self.algorithm = NSGA2(
            pop_size=strategy.population,
            crossover=UniformCrossover(),
            mutation=ChoiceRandomMutation(),
            repair=_Normal(space),
            eliminate_duplicates=_Measured(strategy),
        )
        self.algorithm.setup(self.problem, termination=NoTermination())
        self.n_told = 0
        self.waiting = Population.empty()

    def children(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return n architectures: random ones for the first population, children of the present one later."""
        self._replay()
        if not self.algorithm.is_initialized:
            return self.strategy.space.sample(n, rng=rng)
        self.algorithm.n_offsprings, self.algorithm.random_state = n, rng
        born = self.algorithm.ask()
        return self.strategy.evaluated()[:0] if born is None else born.get("X").astype(np.int8)

    def survivors(self) -> np.ndarray:
        """Return the present population, shape (n, n_choices)."""
        self._replay()
        return self.algorithm.pop.get("X").astype(np.int8)

    def _replay(self) -> None:
        """Tell the algorithm the rounds that it has not seen: the survivors depend on nothing else."""
        table = self.strategy.measurements
        while self.n_told < table.n_rounds:
            rows = table.rows(table.round == self.n_told).complete(self.device)
            measured = Population.new(X=rows.choices, F=rows.objectives(self.device))
            self.waiting = Population.merge(self.waiting, measured)
            self.algorithm.random_state = np.random.default_rng([self.strategy.seed, self.n_told])
            if self.algorithm.is_initialized or len(self.waiting) >= self.strategy.population:
                self.algorithm.tell(infills=self.waiting)
                self.waiting = Population.empty()
            self.n_told += 1


class _Normal(Repair):
    def __init__(self, space: SearchSpace):
        super().__init__()
        self.space = space

    def _do(self, problem: Problem, X: np.ndarray, **kwargs: Any) -> np.ndarray:
        return self.space.normal(X.astype(np.int8))


class _Measured(DuplicateElimination):
    """Drop children that occur among the others, in the population or among all that was measured."""

    def __init__(self, strategy: PymooNSGA2):
        super().__init__()
        self.strategy = strategy

    def _do(self, pop: Population, other: Population | None, is_duplicate: np.ndarray) -> np.ndarray:
        choices = pop.get("X")
        if other is not None:
            return is_duplicate | among(choices, other.get("X"))
        first = len(choices) - 1 - RowIndex(choices[::-1]).rows(choices)  # of equal rows the first stays
        return is_duplicate | (first < np.arange(len(choices))) | among(choices, self.strategy.evaluated())
