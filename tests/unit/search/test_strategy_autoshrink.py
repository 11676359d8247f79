"""AutoShrink on graphs whose best removals are known."""

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError
from nagevo.measure.measurements import Measurements
from nagevo.search import create_strategy
from nagevo.search.methods.autoshrink import AutoShrink
from nagevo.spaces.dag.space import DAGSpace
from nagevo.spaces.rnn_dag.space import RNNDAGSpace
from nagevo.testing import LadderSpace

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


THREE_EDGES = np.array([[1, 1, 1], [0, 1, 0], [1, 0, 1], [1, 1, 0]], dtype=np.int8)


def test_perplexity_and_operations_choose_in_the_place_of_accuracy_and_latency():
    space = RNNDAGSpace(nodes=3, width=8, vocabulary=4)
    # each edge has 128 multiply–accumulates, and all cells another 288: 672, 416, 544, 544
    table = Measurements(
        THREE_EDGES,
        np.zeros(4, dtype=int),
        np.array([30.0, 50.0, 40.0, 20.0]),
        {"phone": np.array([4.0, 1.0, 2.0, 3.0])},
        readings={"perplexity": np.array([5.0, 5.4, 5.3, 5.2])},
    )
    kept = {}
    for beta in (None, 50.0):
        strategy = AutoShrink(space, ["phone"], quality="perplexity", cost="macs", beta=beta, removals=1)
        strategy.tell(table)
        kept[beta] = strategy.path("phone")[1].tolist()
    # -100 ln: -168.6, -166.8, -164.9; log10 of the operations: 2.619, 2.736, 2.736. At 2 for a tenfold the third is
    # best (-170.3 against -173.9), at 50 the first is (-299.6 against -301.7)
    assert kept == {None: [1, 1, 0], 50.0: [0, 1, 0]}


def test_an_evaluator_without_perplexities_is_refused_in_one_line():
    strategy = AutoShrink(SPACE, ["phone"], quality="perplexity")
    with pytest.raises(ConfigError, match="the evaluator reads no perplexity: take accuracy"):
        search(strategy, [7])


def test_a_space_without_operations_is_refused_in_one_line():
    with pytest.raises(ConfigError, match=r"search\.cost: space LadderSpace does not know .*: take device"):
        AutoShrink(LadderSpace(), ["phone"], cost="macs")
