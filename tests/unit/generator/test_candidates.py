"""Which candidates keep several limits, and what is said where none does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagevo.foundation.errors import BudgetError
from nagevo.generator.candidates import DeviceTable
from nagevo.generator.ranking import Ranking
from nagevo.generator.requests import parse
from nagevo.learn.conformal import Residuals


@pytest.fixture
def ranking() -> Ranking:
    """Four candidates; the second and the third mean the same network."""
    values = {
        "latency_ms": np.array([4.0, 2.0, 3.0, 1.0]),
        "parameters": np.array([10.0, 30.0, 20.0, 40.0]),
    }
    accuracy = np.array([60.0, 80.0, 80.0, 70.0])
    return Ranking.of(accuracy, np.array([0, 1, 1, 2]), values, "latency_ms", np.arange(4))


def test_candidates_are_ordered_by_accuracy_and_then_by_latency(ranking):
    assert ranking.rows.tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("limits", "n", "expected"),
    [
        ({"latency_ms": 9.0}, 1, [1]),
        ({"latency_ms": 9.0}, 4, [1, 3, 0]),  # 2 is the same network as 1
        ({"latency_ms": 9.0, "parameters": 20.0}, 4, [2, 0]),
        ({"parameters": 10.0}, 1, [0]),
        ({"latency_ms": 1.5, "parameters": 20.0}, 1, []),
    ],
)
def test_answers_are_the_most_accurate_different_networks_that_keep_all_limits(ranking, limits, n, expected):
    assert ranking.rows[ranking.best(limits, n)].tolist() == expected


def test_the_binding_limit_is_the_one_that_the_nearest_exceeds_most(ranking):
    # Factors by which (latency, parameters) exceed (2, 19): 2 and 1 / 1 and 30 / 19 / 1.5 and 20 / 19 / 1 and 40 / 19.
    assert ranking.nearest({"latency_ms": 2.0, "parameters": 19.0}) == (
        "latency_ms",
        {"latency_ms": 3.0, "parameters": 20.0},
    )
    assert ranking.minimum("latency_ms", {"latency_ms": 2.0, "parameters": 19.0}) == 4.0
    assert ranking.minimum("latency_ms", {"latency_ms": 2.0, "parameters": 9.0}) == np.inf


@given(
    st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=1, max_size=8),
    st.floats(0.01, 9),
    st.floats(0.01, 9),
)
def test_the_nearest_limits_can_be_answered_and_are_no_lower_than_asked(bounds, first, second):
    columns = dict(zip(("a", "b"), np.array(bounds).T, strict=True))
    ranking = Ranking(np.arange(len(bounds)), np.arange(len(bounds)), columns)
    limits = {"a": first, "b": second}
    binding, nearest = ranking.nearest(limits)
    assert binding in limits
    assert all(nearest[name] >= limits[name] for name in limits)
    assert len(ranking.best(nearest))


@pytest.mark.parametrize("request_", [{}, {"latency_ms": float("nan")}, {"latency_ms": "little"}, "little", [1.0]])
def test_what_is_no_request_is_refused(request_):
    with pytest.raises(BudgetError, match="expected"):
        parse([request_])


def table(residuals: list[float], repeats: list[float], spread: float = 1.0) -> DeviceTable:
    """Return the table of two candidates that are expected to take 1 and 2, of which the first is verified."""
    no, one = np.zeros(2, dtype=bool), np.array([True, False])
    return DeviceTable(
        quantity="latency_ms",
        exact=False,
        adapted=False,
        highest_confidence=0.95,
        expected=np.array([1.0, 2.0]),
        spread=np.array([spread, 1.0]),
        measured=np.array([1.0, np.nan]),
        excluded=no,
        proposed=no,
        verified=one,
        residuals=Residuals(np.log(residuals)),
        repeats=Residuals(np.log(repeats)),
    )


def test_few_repeats_bound_a_verified_value_no_further_than_they_support():
    few = table(residuals=[1.0] * 17 + [1.4, 1.5], repeats=[0.9, 1.0, 1.0, 1.0, 1.1, 1.2])
    # six repeats support 6 / 7: the sixth of them bounds with 0.85, as the 17th of 19 residuals does predictions
    np.testing.assert_allclose(few.bounds(0.85), [1.2, 2.0])
    # 0.9 is more than that: ⌈0.9 · 20⌉ is the 18th residual
    np.testing.assert_allclose(few.bounds(0.9), [1.4, 2.8])


def test_few_repeats_that_differ_more_than_predictions_err_still_count():
    np.testing.assert_allclose(table([1.0] * 19, [0.8, 1.3]).bounds(0.9), [1.3, 2.0])


def test_a_value_without_repeats_is_its_own_bound_where_it_never_changes():
    np.testing.assert_allclose(table([1.5] * 19, [], spread=0.0).bounds(0.9), [1.0, 3.0])
