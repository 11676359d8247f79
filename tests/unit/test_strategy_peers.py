"""The peers, asked and told as their own libraries would be."""

import moocore
import numpy as np
import pytest
from separable import SeparableSpace, measure, search

pytest.importorskip("pymoo")
pytest.importorskip("optuna")

from nagevo.errors import ConfigError
from nagevo.frontier import is_nondominated
from nagevo.strategies.optuna_tpe import OptunaTPE
from nagevo.strategies.pymoo_nsga2 import PymooNSGA2

SPACE = SeparableSpace()


def test_survivors_of_nsga2_hold_the_measured_frontier():
    strategy = PymooNSGA2(SPACE, ["phone"], population=30)
    table = search(strategy, [10, 10, 10, 10, 10])
    strategy.tell(table)
    strategy.ask(1)
    survivors = strategy.searches["phone"].survivors()
    best = table.choices[is_nondominated(table.objectives("phone"))]
    assert len(survivors) == 30
    assert {row.tobytes() for row in best} <= {row.tobytes() for row in survivors}


def test_children_of_nsga2_come_from_its_survivors():
    corners = np.array([[0, 0, 0, 0, 0], [2, 0, 0, 0, 0]], dtype=np.int8)
    strategy = PymooNSGA2(SPACE, ["phone"], population=2)
    strategy.tell(measure(corners))
    children = strategy.ask(4)
    assert np.count_nonzero(children[:, 1:], axis=1).mean() < 2.5  # 8/3 on average if drawn from the whole space


def test_tpe_proposes_accurate_architectures_after_its_startup():
    strategy = OptunaTPE(SPACE, ["phone"], n_startup=10)
    table = search(strategy, [10] * 6)
    ranks = moocore.pareto_rank(table.objectives("phone"))
    assert ranks[20:].mean() < 0.7 * ranks[:10].mean()


def test_a_population_of_one_is_refused():
    with pytest.raises(ConfigError, match="population >= 2"):
        PymooNSGA2(SPACE, ["phone"], population=1)
