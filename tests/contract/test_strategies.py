"""What every strategy promises; a new one is tested by registering it."""

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError, MissingDependency
from nagevo.search import STRATEGIES, Strategy, create_strategy, resolve_strategy
from nagevo.search.random import RandomSearch
from nagevo.testing import ROUNDS, STRATEGY_CHECKS, LadderSpace, check_strategy

SMALL = {
    "cenas": {"epochs": 20, "predictor_steps": 20},
    "dpp_net": {"steps": 10, "predictor_steps": 20},
    "evolution": {"population": 24, "generations": 10},
    "gaea": {"steps": 10},
    "monas": {"iterations": 10, "predictor_steps": 20},
    "na_darts": {"steps": 10},
    "na_rs": {"draws": 100},
    "pnag": {"iterations": 10, "evaluator_steps": 20, "predictor_steps": 20},
}
"""Options that make a search short: the promises do not depend on them."""
SLOW = {"optuna_gp": [pytest.mark.long]}  # two minutes: each proposal fits a process anew


@pytest.mark.parametrize("check", STRATEGY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, [])) for name in sorted(STRATEGIES)])
def test_a_strategy_keeps_its_promises(name, check):
    try:
        cls = resolve_strategy(name)
    except MissingDependency as error:
        pytest.skip(str(error))
    check(lambda *devices: cls(LadderSpace(), devices, seed=0, evaluations=sum(ROUNDS), **SMALL.get(name, {})))


def test_an_unknown_strategy_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError, match='did you mean "evolution"'):
        create_strategy("evolutoin", LadderSpace(), ["phone"], seed=0, evaluations=9)


def test_an_unknown_option_is_named():
    with pytest.raises(ConfigError, match="temperature"):
        create_strategy("random", LadderSpace(), ["phone"], seed=0, evaluations=9, temperature=2)


class Forgetful(RandomSearch):
    """It proposes what was evaluated before."""

    def ask(self, n):
        return self.space.sample_distinct(n, rng=np.random.default_rng(0))


class Restless(RandomSearch):
    """It draws from a generator of its own."""

    own = np.random.default_rng(0)

    def round_rng(self):
        return self.own


class Greedy(RandomSearch):
    """Its rounds hold more than the evaluations."""

    @classmethod
    def round_sizes(cls, evaluations, rounds=None):
        return [*super().round_sizes(evaluations, rounds), 1]


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Forgetful, "no architecture that was evaluated before"),
        (Restless, "same seed and measurements, same proposals"),
        (Greedy, "add up to the evaluations"),
    ],
)
def test_a_strategy_that_breaks_a_promise_is_told_which(broken: type[Strategy], promise: str):
    with pytest.raises(AssertionError, match=promise):
        check_strategy(broken)
