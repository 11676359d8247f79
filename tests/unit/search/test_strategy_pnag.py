"""PNAG: labels, rewards, embedding of budgets, the generator and the strategy."""

from __future__ import annotations

from math import exp, log1p

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from separable import SeparableSpace, accuracy, best_accuracy, latency_ms, mean_shortfall, measure

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.search import create_strategy
from nagevo.search.methods.pnag import (
    PNAG,
    PNAGGenerator,
    interpolation,
    mnasnet_reward,
    pairwise_labels,
    ranking_loss,
    tunas_reward,
)

SPACE = SeparableSpace()
BUDGETS = [4.0, 8.0, 12.0, 16.0, 20.0]


def better(accuracy_a, latency_a, accuracy_b, latency_b, budget):
    """Return the label of one pair, case by case."""
    if latency_a > budget and latency_b > budget:
        return np.sign(latency_b - latency_a)
    if latency_a <= budget and latency_b <= budget:
        return np.sign(accuracy_a - accuracy_b)
    return 1.0 if latency_a <= budget else -1.0


pairs = st.lists(st.tuples(st.integers(10, 80), st.integers(1, 9)), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(pairs, st.integers(1, 9))
def test_pairwise_labels_equal_the_rule_case_by_case(rows, budget):
    percent, milliseconds = np.array(rows, dtype=float).T
    expected = [[better(*a, *b, budget) for b in rows] for a in rows]
    assert pairwise_labels(percent, milliseconds, budget).tolist() == expected


def test_the_ranking_loss_is_the_mean_logistic_loss_of_all_pairs():
    # scores 1 and 0, the first better: twice log(1 + exp(-1)) and, on the diagonal, twice log 2
    labels = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    expected = (2 * log1p(exp(-1)) + 2 * np.log(2)) / 4
    assert ranking_loss(torch.tensor([1.0, 0.0]), labels).item() == pytest.approx(expected)


def test_rewards_by_hand():
    # 80 % at twice the budget: 0.8 * 2 ** -0.07 = 0.76211, and 0.8 - 0.07 * |2 - 1| = 0.73
    arguments = np.array([80.0]), np.array([6.0]), np.array([3.0])
    assert mnasnet_reward(*arguments) == pytest.approx([0.76211], abs=1e-5)
    assert tunas_reward(*arguments) == pytest.approx([0.73])


def test_a_budget_between_two_trained_ones_mixes_both():
    weights = interpolation(np.array([2.5, 9.0, 0.5]), np.array([1.0, 3.0, 4.0]))
    assert weights.tolist() == [[0.25, 0.75, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


@pytest.fixture(scope="module")
def generator():
    table = measure(SPACE.sample_distinct(120, rng=np.random.default_rng(0)))
    return PNAGGenerator(SPACE, hidden=64).fit(table, "phone", BUDGETS)


def test_the_embedding_of_a_trained_budget_is_the_trained_one(generator):
    assert torch.allclose(generator.embedding(np.array(BUDGETS)), generator.embeddings.weight)
    middle = generator.embedding(np.array([6.0]))[0]
    assert torch.allclose(middle, generator.embeddings.weight[:2].mean(dim=0))


def test_one_shot_answers_follow_the_budget_near_the_optimum(generator):
    answers = generator.answer(BUDGETS)
    assert (latency_ms(answers) <= 1.15 * np.array(BUDGETS)).all()
    shortfall = [best_accuracy(budget) for budget in BUDGETS] - accuracy(answers)
    assert shortfall.mean() < 5.0
    assert (np.diff(latency_ms(answers)) >= 0).all()


def test_the_best_of_ten_samples_is_the_most_accurate_that_holds_the_budget(generator):
    ranked = generator.ranked([8.0, 9.0], samples=10)
    assert ranked.shape == (2, 10, SPACE.n_choices)
    for rows, budget in zip(ranked, (8.0, 9.0), strict=True):
        holds = generator.latency(rows) <= budget
        assert (np.diff(holds.astype(int)) <= 0).all()
        assert (np.diff(generator.accuracy(rows)[holds]) <= 0).all()


@pytest.mark.parametrize("reward", [mnasnet_reward, tunas_reward])
def test_the_other_rewards_lead_near_the_best_reward_of_each_budget(reward):
    table = measure(SPACE.sample_distinct(60, rng=np.random.default_rng(0)))
    options = {"hidden": 64, "iterations": 100, "predictor_steps": 100}
    generator = PNAGGenerator(SPACE, reward=reward.__name__.removesuffix("_reward"), **options)
    answers = generator.fit(table, "phone", BUDGETS).answer(BUDGETS)
    everything = SPACE.enumerate()
    for answer, budget in zip(answers, BUDGETS, strict=True):
        rewards = reward(accuracy(everything), latency_ms(everything), budget)
        reached = reward(accuracy(answer[None]), latency_ms(answer[None]), budget)
        assert reached > np.quantile(rewards, 0.9)


def test_a_generator_needs_measurements_and_a_known_reward():
    with pytest.raises(DataError, match="two architectures measured on phone"):
        PNAGGenerator(SPACE).fit(measure(SPACE.extremes()[:1]), "phone", BUDGETS)
    with pytest.raises(ConfigError, match=r'reward: expected one of .* did you mean "mnasnet"'):
        create_strategy("pnag", SPACE, ["phone"], seed=0, evaluations=9, reward="mnas")


def test_the_search_beats_random_search():
    options = {"evaluations": 40, "hidden": 64, "iterations": 60, "predictor_steps": 60, "evaluator_steps": 60}
    assert mean_shortfall([PNAG(SPACE, ["phone"], seed=seed, **options) for seed in (0, 1)], [20, 20]) < 3.0
