"""DPP-Net: expansion, Pareto selection, the recurrent regressor and the growth round by round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau
from separable import SeparableSpace, accuracy, mean_shortfall, measure

from nagevo.foundation.errors import ConfigError
from nagevo.search import create_strategy
from nagevo.search.methods.dpp_net import DPPNet, RecurrentEnsemble, expanded, pareto_order

SPACE = SeparableSpace()


def test_expansion_enumerates_all_options_of_one_choice_of_every_architecture():
    rows = expanded(SPACE, np.array([[2, 1, 0, 0, 0], [1, 1, 0, 0, 0]], dtype=np.int8), 2)
    assert SPACE.to_text(rows) == ["21000", "21100", "21200", "11000", "11100", "11200"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_pareto_order_places_no_dominated_row_before_its_dominator(rows):
    objectives = np.array(rows, dtype=float)
    order = pareto_order(objectives)
    assert sorted(order.tolist()) == list(range(len(rows)))
    for i, later in enumerate(order):
        for earlier in order[:i]:
            dominates = (objectives[later] <= objectives[earlier]).all() and (
                objectives[later] < objectives[earlier]
            ).any()
            assert not dominates


def test_the_first_round_measures_only_architectures_of_the_first_choices():
    strategy = DPPNet(SPACE, ["phone"], evaluations=40, start="smallest")
    strategy.tell(measure(np.empty((0, 5), dtype=np.int8)))
    asked = strategy.ask(8)
    assert (asked[:, 2:] == 0).all()  # 9 architectures of two choices
    assert len(np.unique(asked, axis=0)) == 8


def test_the_second_round_changes_only_the_next_choice_of_what_is_measured():
    strategy = DPPNet(SPACE, ["phone"], evaluations=40, start="smallest", steps=20, predictor_steps=20)
    table = measure(strategy.ask(8))
    strategy.tell(table)
    asked = strategy.ask(8)
    assert (asked[:, 3:] == 0).all()
    assert set(SPACE.to_text(asked)) <= set(SPACE.to_text(expanded(SPACE, table.choices, 2)))


def test_the_recurrent_ensemble_ranks_architectures_that_it_has_not_seen():
    known = SPACE.sample_distinct(80, rng=np.random.default_rng(0))
    unseen = SPACE.sample_distinct(80, rng=np.random.default_rng(1), exclude=known)
    ensemble = RecurrentEnsemble(
        SPACE, known, accuracy(known), members=2, steps=100, learning_rate=0.01, rng=np.random.default_rng(0)
    )
    assert kendalltau(ensemble(unseen), accuracy(unseen)).statistic > 0.8
    assert np.abs(ensemble(known) - accuracy(known)).mean() < 2.0


@pytest.mark.slow
@pytest.mark.parametrize("start", ["measured", "smallest"])
def test_growth_beats_random_search(start):
    options = {"evaluations": 40, "start": start, "members": 2, "steps": 50, "predictor_steps": 50}
    assert mean_shortfall([DPPNet(SPACE, ["phone"], seed=seed, **options) for seed in (0, 1)], [20, 10, 10]) < 3.0


def test_an_unknown_start_is_named():
    with pytest.raises(ConfigError, match=r'start: expected one of .* did you mean "smallest"'):
        create_strategy("dpp_net", SPACE, ["phone"], seed=0, evaluations=9, start="small")
