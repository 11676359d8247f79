"""Dominance, hypervolume and the metrics of answers, by hand, by brute force and against moocore and pymoo."""

from __future__ import annotations

import doctest

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nagevo.foundation import frontier as f

TRUE = np.array([[40.0, 2.0], [30.0, 4.0], [20.0, 10.0]])  # error, latency
POINTS = arrays(float, st.tuples(st.integers(1, 30), st.just(2)), elements=st.integers(1, 8).map(float))


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(f).failed == 0


def brute_force_nondominated(points):
    def dominated(i):
        at_least = (points <= points[i]).all(axis=1)
        return (at_least & (points < points[i]).any(axis=1)).any() or (points[:i] == points[i]).all(axis=1).any()

    return [not dominated(i) for i in range(len(points))]


@given(POINTS)
@settings(max_examples=60, deadline=None)
def test_nondominated_agrees_with_brute_force(points):
    assert f.is_nondominated(points).tolist() == brute_force_nondominated(points)


@given(POINTS)
@settings(max_examples=40, deadline=None)
def test_the_frontier_rises_in_latency_and_falls_in_error(points):
    members = points[f.frontier(points)]
    assert (np.diff(members[:, f.VALUE]) > 0).all()
    assert (np.diff(members[:, f.ERROR]) < 0).all()


def test_rows_that_failed_are_in_no_frontier_and_add_no_hypervolume():
    failed = np.array([[np.nan, 1.0], [1.0, np.inf], [1.0, 1.0]])
    assert f.frontier(failed).tolist() == [2]
    assert f.hypervolume(failed, (2.0, 2.0)) == 1.0
    assert f.hypervolume(failed[:2], (2.0, 2.0)) == 0.0


@given(POINTS, st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_the_best_within_a_budget_agrees_with_a_search_through_all_entries(points, budget):
    accuracy, latency_ms = -points[:, f.ERROR], points[:, f.VALUE]
    index = f.best_under(latency_ms, accuracy, np.array([float(budget)]))[0]
    holding = latency_ms <= budget
    if not holding.any():
        assert index == -1
    else:
        assert latency_ms[index] <= budget
        assert accuracy[index] == accuracy[holding].max()
        assert latency_ms[index] == latency_ms[holding & (accuracy == accuracy[index])].min()


def test_the_best_within_a_budget_ignores_entries_that_failed():
    latency_ms, accuracy = np.array([1.0, np.nan, 2.0]), np.array([np.nan, 90.0, 50.0])
    assert f.best_under(latency_ms, accuracy, np.array([1.5, 3.0])).tolist() == [-1, 2]
    assert f.best_under(np.empty(0), np.empty(0), np.array([1.0])).tolist() == [-1]


@given(POINTS)
@settings(max_examples=40, deadline=None)
def test_the_hypervolume_agrees_with_a_sum_of_unit_squares(points):
    # integer coordinates: count the unit squares [x, x+1] × [y, y+1] below (9, 9) whose corner is dominated
    corners = np.stack(np.meshgrid(np.arange(1, 9), np.arange(1, 9)), axis=-1).reshape(-1, 2)
    squares = (points[None] <= corners[:, None]).all(axis=2).any(axis=1).sum()
    assert f.hypervolume(points, (9.0, 9.0)) == squares


def test_the_ratio_of_a_part_of_the_true_frontier_is_the_area_it_keeps():
    assert f.hypervolume_ratio(TRUE, TRUE) == pytest.approx(1.0)
    # scaled members (1, 0), (.5, .25), (0, 1): area = .1·1.1 + .5·.85 + .5·.1 = .585 of it; the ends alone: .11+.1·1
    assert f.hypervolume_ratio(TRUE[[0, 2]], TRUE) == pytest.approx((0.1 * 1.1 + 1.0 * 0.1) / 0.585)


def test_a_true_frontier_of_one_member_can_be_reached():
    assert f.hypervolume_ratio(TRUE[:1], TRUE[:1]) == pytest.approx(1.0)


def test_igd_plus_and_gd_plus_agree_with_their_definitions():
    found = np.array([[40.0, 3.0], [25.0, 8.0], [41.0, 9.0]])
    reference, members = f.scale(TRUE, TRUE), f.scale(found[:2], TRUE)
    behind = np.sqrt((np.maximum(members[:, None] - reference[None], 0.0) ** 2).sum(axis=2))
    assert f.igd_plus(found, TRUE) == pytest.approx(behind.min(axis=0).mean())
    assert f.gd_plus(found, TRUE) == pytest.approx(behind.min(axis=1).mean())
    assert f.igd_plus(found, TRUE) == pytest.approx(moocore.igd_plus(f.scale(found, TRUE), ref=reference))


def test_distances_agree_with_pymoo():
    indicators = pytest.importorskip("pymoo.indicators.gd_plus"), pytest.importorskip("pymoo.indicators.igd_plus")
    found = np.random.default_rng(0).uniform(20, 40, size=(30, 2))
    members, reference = f.scale(found[f.is_nondominated(found)], TRUE), f.scale(TRUE, TRUE)
    assert f.gd_plus(found, TRUE) == pytest.approx(indicators[0].GDPlus(reference)(members))
    assert f.igd_plus(found, TRUE) == pytest.approx(indicators[1].IGDPlus(reference)(members))


def test_a_set_without_members_is_infinitely_far():
    nothing = np.full((2, 2), np.nan)
    assert f.igd_plus(nothing, TRUE) == f.gd_plus(nothing, TRUE) == np.inf


def test_budgets_leave_out_the_fastest_member_and_end_at_the_most_accurate():
    asked = f.budgets(TRUE)
    assert len(asked) == 100
    assert asked[0] == pytest.approx(2.08)
    assert asked[-1] == 10.0
    assert np.diff(asked) == pytest.approx(0.08)


def test_the_metrics_of_answers_are_those_counted_by_hand():
    asked = np.array([1.0, 3.0, 4.0, 8.0, 10.0])
    refusal = [np.nan, np.nan]
    # infeasible and refused; exact; slower than 4 ms by 50 %; holds with 35 where 30 is the best; refused
    answers = np.array([refusal, [40.0, 2.0], [20.0, 6.0], [35.0, 4.0], refusal])
    metrics = f.answer_metrics(answers, asked, TRUE)
    # regrets: 40-40 = 0; fastest 40-30 = 10; 35-30 = 5; fastest 40-20 = 20
    assert metrics["mean_regret"] == pytest.approx(35 / 4)
    assert metrics["max_regret"] == 20.0
    assert metrics["violation_rate"] == pytest.approx(1 / 3)
    assert metrics["overshoot_percent"] == pytest.approx(50.0)
    assert metrics["budget_use"] == pytest.approx((2 / 3 + 4 / 8) / 2)
    assert metrics["infeasible_refused"] == 1.0
    assert metrics["feasible_answered"] == pytest.approx(3 / 4)


def test_metrics_of_answers_of_which_no_budget_is_feasible_any_more():
    slower = TRUE * [1.0, 10.0]  # the machine got ten times slower: the fastest network takes longer than all budgets
    metrics = f.answer_metrics(slower, f.budgets(TRUE, n=len(TRUE)), slower)
    assert metrics["mean_regret"] is metrics["max_regret"] is metrics["hypervolume_ratio"] is None
    assert metrics["violation_rate"] == 1.0
    assert metrics["feasible_answered"] == 1.0


def test_metrics_of_answers_none_of_which_could_be_measured_again():
    nothing = np.full((2, 2), np.nan)
    metrics = f.answer_metrics(nothing, np.array([1.0, 2.0]), np.empty((0, 2)))
    assert metrics["mean_regret"] is None
    assert metrics["violation_rate"] == 0.0


def test_the_true_frontier_has_no_regret():
    asked = f.budgets(TRUE)
    answers = TRUE[f.best_under(TRUE[:, f.VALUE], 100 - TRUE[:, f.ERROR], asked)]
    metrics = f.answer_metrics(answers, asked, TRUE)
    assert metrics["max_regret"] == metrics["violation_rate"] == metrics["overshoot_percent"] == 0.0
    assert metrics["feasible_answered"] == 1.0
    assert metrics["hypervolume_ratio"] == pytest.approx(1.0)
