"""AutoShrink on graphs whose best removals are known."""

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError
from nagevo.measure.measurements import Measurements
from nagevo.search import create_strategy
from nagevo.search.methods.autoshrink import AutoShrink
from nagevo.spaces.dag.space import DAGSpace

SPACE = DAGSpace(nodes=4)  # six edges
WORTH = np.array([5.0, 4.0, 3.0, 0.0, 2.0, 1.0])  # points of accuracy of each edge; the fourth is useless


def measure(choices, number):
    latency_ms = 1.0 + choices.sum(axis=1)
    return Measurements(choices, np.full(len(choices), number), 70 + choices @ WORTH, {"phone": latency_ms})


def search(strategy, sizes):
    table = Measurements.empty(strategy.space, ["phone"])
    for number, n in enumerate(sizes):
        strategy.tell(table)
        table = table.extended(measure(strategy.ask(n), number))
    strategy.tell(table)
    return table


def test_the_useless_edge_is_removed_first():
    strategy = AutoShrink(SPACE, ["phone"], candidates=6, removals=1)
    search(strategy, [7])  # the largest graph and all six removals
    np.testing.assert_array_equal(strategy.path("phone"), [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 1, 1]])


def test_edges_leave_in_the_order_of_their_worth_until_none_is_left():
    strategy = AutoShrink(SPACE, ["phone"], candidates=6, removals=1, beta=0.1)
    search(strategy, [7, 6, 6, 6, 6])
    path = strategy.path("phone")
    # without edge 4 (0 -> 3), 6 (2 -> 3), 5 (1 -> 3), 3 (1 -> 2), 2 (0 -> 2), 1 (0 -> 1)
    np.testing.assert_array_equal(path.sum(axis=1), [6, 5, 4, 3, 2, 1, 0])
    np.testing.assert_array_equal(path[:-1] @ WORTH, [15, 15, 14, 12, 9, 5])


def test_several_removals_at_once_are_the_best_ones():
    strategy = AutoShrink(SPACE, ["phone"], candidates=6, removals=2)
    search(strategy, [7])
    np.testing.assert_array_equal(strategy.path("phone")[1], [1, 1, 1, 0, 1, 0])  # edges worth 0 and 1 point


def test_a_steep_price_of_latency_outweighs_accuracy():
    space = DAGSpace(nodes=3)  # edges 0 -> 1, 0 -> 2, 1 -> 2
    table = Measurements(
        np.array([[1, 1, 1], [0, 1, 0], [1, 0, 1], [1, 1, 0]], dtype=np.int8),
        np.zeros(4, dtype=int),
        np.array([90.0, 60.0, 85.0, 88.0]),
        {"phone": np.array([100.0, 1.0, 10.0, 50.0])},
    )
    kept = {}
    for beta in (5.0, 100.0):
        strategy = AutoShrink(space, ["phone"], beta=beta, removals=1)
        strategy.tell(table)
        kept[beta] = strategy.path("phone")[1].tolist()
    # 60 - 5·0 = 60, 85 - 5·1 = 80, 88 - 5·1.7 = 79.5; and 60 - 0, 85 - 100, 88 - 170
    assert kept == {5.0: [1, 0, 1], 100.0: [0, 1, 0]}


def test_a_failed_removal_is_never_kept_while_another_one_works():
    strategy = AutoShrink(SPACE, ["phone"], candidates=6, removals=1)
    table = search(strategy, [7])
    failed = (table.choices == [1, 1, 1, 0, 1, 1]).all(axis=1)
    table.accuracy[failed] = np.nan
    strategy.tell(table)
    np.testing.assert_array_equal(strategy.path("phone")[1], [1, 1, 1, 1, 1, 0])  # the edge worth 1 point


@pytest.mark.parametrize(("evaluations", "removals"), [(30, 1), (20, 2), (5, 6)])
def test_a_whole_path_fits_into_the_evaluations(evaluations, removals):
    # one edge at a time needs 6 + 5 + 4 + 3 + 2 + 1 + 1 = 22, two need 6 + 4 + 2 and 3 combined ones = 15
    assert AutoShrink(SPACE, ["phone"], evaluations=evaluations).removals == removals


def test_no_candidates_are_refused():
    with pytest.raises(ConfigError, match="candidates: expected at least 1, got 0"):
        create_strategy("autoshrink", SPACE, ["phone"], seed=0, evaluations=9, candidates=0)
