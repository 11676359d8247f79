"""The peers, asked and told as their own libraries would be."""

import numpy as np
import pytest
from separable import SeparableSpace, measure, search

pytest.importorskip("pymoo")
pytest.importorskip("optuna")

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.frontier import frontier, hypervolume_ratio, is_nondominated
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.search import create_strategy
from nagevo.search.methods.optuna_tpe import OptunaTPE
from nagevo.search.methods.pymoo_nsga2 import PymooNSGA2

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


def test_tpe_proposes_accurate_architectures_where_latency_does_not_matter():
    known = SPACE.sample_distinct(60, rng=np.random.default_rng(0))
    table = measure(known)
    strategy = OptunaTPE(SPACE, ["phone"])
    strategy.tell(Measurements(known, table.round, table.accuracy, {"phone": np.ones(60)}))
    everything = measure(SPACE.enumerate()).accuracy
    assert measure(strategy.ask(20)).accuracy.mean() > everything.mean() + 0.5 * everything.std()


def test_a_population_of_one_is_refused():
    with pytest.raises(ConfigError, match="population: expected at least 2, got 1"):
        create_strategy("pymoo_nsga2", SPACE, ["phone"], seed=0, evaluations=9, population=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["botorch_ehvi", "optuna_gp"])
def test_gaussian_processes_of_peers_come_near_to_the_frontier(name):
    pytest.importorskip("botorch")
    strategy = create_strategy(name, SPACE, ["phone"], seed=0, evaluations=26)
    table = search(strategy, [20, 3, 3])
    everything = measure(SPACE.enumerate()).objectives("phone")
    ratios = [hypervolume_ratio(table.objectives("phone")[:n], everything[frontier(everything)]) for n in (20, 26)]
    assert ratios[1] > ratios[0] + 0.02


def test_known_latencies_need_no_process_of_botorch():
    pytest.importorskip("botorch")
    everything = SPACE.enumerate()
    table = measure(everything)
    round_of = np.where(np.arange(len(everything)) % 10 == 0, 0, EXTRA_ROUND)
    accuracy = np.where(round_of == 0, table.accuracy, np.nan)
    strategy = create_strategy("botorch_ehvi", SPACE, ["phone"], seed=0, evaluations=40, n_startup=2)
    strategy.tell(Measurements(everything, round_of, accuracy, dict(table.values)))
    proposed = strategy.ask(2)
    assert not set(map(bytes, proposed)) & set(map(bytes, everything[round_of == 0]))
