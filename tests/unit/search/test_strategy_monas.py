"""MONAS: rewards, shares of the policies, and both sources of rewards."""

from __future__ import annotations

import numpy as np
import pytest
from separable import SeparableSpace, accuracy, latency_ms, mean_shortfall, search

from nagevo.foundation.errors import ConfigError
from nagevo.measure.measurements import Measurements
from nagevo.search import create_strategy
from nagevo.search.methods.monas import MONAS, accuracy_constraint, latency_constraint, mixed

SPACE = SeparableSpace()


def test_rewards_by_hand():
    good, fast, limit = np.array([0.8, 0.6]), np.array([0.5, 0.2]), 0.25
    assert mixed(good, fast, 0.75) == pytest.approx([0.475, 0.4])  # 0.75 * 0.8 - 0.25 * 0.5
    assert latency_constraint(good, fast, limit).tolist() == [0.0, 0.6]
    assert accuracy_constraint(good, fast, 0.7).tolist() == [0.5, 0.0]


def test_policies_share_the_proposals_of_all_rounds_evenly():
    strategy = MONAS(SPACE, ["a", "b"], trade_offs=3)
    counts = np.zeros(6, dtype=int)
    for number in range(3):
        for policy, rows in strategy.blocks(8, number):
            counts[policy] += len(rows)
    assert counts.tolist() == [4] * 6


@pytest.mark.slow
@pytest.mark.parametrize("reward", ["mixed", "latency_constraint", "accuracy_constraint"])
def test_every_reward_beats_random_search(reward):
    options = {"evaluations": 40, "reward": reward, "trade_offs": 7, "iterations": 40, "predictor_steps": 60}
    assert mean_shortfall([MONAS(SPACE, ["phone"], seed=seed, **options) for seed in (0, 1)], [20, 20]) < 2.5


def test_policies_that_learn_from_measurements_move_to_their_trade_off():
    options = {"rewards_from": "measurements", "trade_offs": 2, "learning_rate": 0.05, "batch": 64}
    table = search(MONAS(SPACE, ["phone"], evaluations=100, **options), [10] * 10)
    last = table.rows(table.round >= 7)
    first = np.isin(np.arange(30) % 10, range(5))  # the policy that minimizes latency proposes the first half
    assert latency_ms(last.choices[first]).mean() < latency_ms(last.choices[~first]).mean()
    assert accuracy(last.choices[~first]).mean() > accuracy(last.choices[first]).mean()


def test_failed_measurements_teach_a_policy_nothing_and_stop_nothing():
    strategy = MONAS(SPACE, ["phone"], rewards_from="measurements", trade_offs=2)
    rows = SPACE.sample_distinct(6, rng=np.random.default_rng(0))
    values = np.array([60.0, np.nan, 62.0, np.nan, np.nan, np.nan])
    strategy.tell(Measurements(rows, np.zeros(6, dtype=int), values, {"phone": latency_ms(rows)}))
    choices, rewards = strategy.rewarded(strategy.measurements, 0)
    assert np.isfinite(rewards).tolist() == [[True, False, True], [False] * 3]
    assert choices[0].tolist() == rows[:3].tolist()
    assert len(strategy.ask(4)) == 4


def test_unknown_rewards_are_named():
    with pytest.raises(ConfigError, match=r'rewards_from: expected one of .* did you mean "measurements"'):
        create_strategy("monas", SPACE, ["phone"], seed=0, evaluations=9, rewards_from="measurement")
