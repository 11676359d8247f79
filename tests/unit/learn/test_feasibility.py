"""Failures of a device: kept, matched by network, and learned."""

import numpy as np
import pytest

from nagevo.learn.feasibility import Feasibility, LogisticRegression
from nagevo.measure.measurements import Measurements
from nagevo.search.nsga2 import evolve
from nagevo.search.surrogate_evolution import SurrogateEvolution
from nagevo.spaces import create_space

SPACE = create_space("nasbench201")
LIMIT = 0.55e6


def parameters(choices):
    return SPACE.costs(choices)["parameters"]


def measured(choices, number=0) -> Measurements:
    """Return measurements of a device that runs out of memory above some number of parameters."""
    too_large = parameters(choices) > LIMIT
    accuracy = 50.0 + 10.0 * np.log1p(parameters(choices) / 1e5)
    latency = np.where(too_large, np.nan, 1.0 + parameters(choices) / 1e5)
    reasons = np.where(too_large, "out of memory", "").astype(object)
    return Measurements(choices, np.full(len(choices), number), accuracy, {"phone": latency}, {}, {"phone": reasons})


def test_what_failed_is_infeasible_and_so_is_each_equal_network():
    same = SPACE.from_text(["|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"])
    other = SPACE.from_text(["|none~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|"])
    np.testing.assert_array_equal(SPACE.canonical(same), SPACE.canonical(other))
    table = Measurements(same, np.zeros(1, dtype=int), np.array([50.0]), {"phone": np.array([np.nan])})
    failed = Feasibility(SPACE, Measurements(*vars(table).values()).with_values("phone", same, np.nan, failures="hot"))
    assert not failed.feasible("phone", other).any()
    assert failed.feasible("phone", SPACE.extremes()).all()
    assert Feasibility(SPACE, table).feasible("phone", other).all()  # never tried is not failed


def test_what_is_likely_to_fail_is_told_from_a_few_failures():
    rng = np.random.default_rng(0)
    known = SPACE.sample_distinct(60, rng=rng)
    others = SPACE.sample_distinct(500, rng=rng, exclude=known)
    assert 5 <= measured(known).failed("phone").sum() <= 30
    feasible, small = Feasibility(SPACE, measured(known)).feasible("phone", others), parameters(others) <= LIMIT
    assert feasible[small].mean() > 0.93
    assert feasible[~small].mean() < 0.15


def test_a_single_failure_condemns_nothing_else():
    choices = SPACE.sample_distinct(20, rng=np.random.default_rng(1))
    table = measured(choices[parameters(choices) <= LIMIT])
    table = table.with_values("phone", table.choices[:1], np.array([np.nan]), failures="unplugged")
    feasible = Feasibility(SPACE, table).feasible("phone", table.choices)
    assert feasible.tolist() == [False] + [True] * (len(table) - 1)


def test_an_accuracy_that_failed_counts_on_every_device():
    table = measured(SPACE.sample_distinct(5, rng=np.random.default_rng(1)))
    reasons = np.array(["diverged", "", "", "", ""], dtype=object)
    table = Measurements(table.choices, table.round, table.accuracy, table.values, {}, {"accuracy": reasons})
    assert Feasibility(SPACE, table).feasible("phone", table.choices).tolist() == [False] + [True] * 4


def test_the_classifier_agrees_with_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    y = x @ [1.0, -2.0, 0.5, 0.0] + 0.5 * rng.normal(size=80) > 0.3
    standardized = (x - x.mean(0)) / x.std(0)
    own = LogisticRegression.fit(x, y, np.full(4, 0.5)).probability(x)
    other = linear_model.LogisticRegression(C=2.0, tol=1e-10).fit(standardized, y).predict_proba(standardized)[:, 1]
    np.testing.assert_allclose(own, other, atol=1e-4)


def test_proposals_avoid_what_is_likely_to_fail():
    strategy = SurrogateEvolution(SPACE, ["phone"], seed=0, evaluations=60, population=40, generations=10)
    table = Measurements.empty(SPACE, ["phone"])
    for number, n in enumerate([30, 10, 10]):
        strategy.tell(table)
        table = table.extended(measured(strategy.ask(n), number))
    failed = [rows.failed("phone").mean() for rows in table.rounds()]
    assert failed[0] > 0.15  # accuracy rises with size: without a classifier the largest would be asked for next
    assert failed[2] <= 0.2


def test_evolution_keeps_nothing_infeasible():
    def objective(choices):
        values = np.column_stack([-parameters(choices), parameters(choices)]).astype(float)
        return np.where((parameters(choices) > LIMIT)[:, None], np.nan, values)

    found = evolve(SPACE, objective, population=30, generations=8, rng=np.random.default_rng(0))
    assert len(found.choices) > 5
    assert (parameters(found.choices) <= LIMIT).all()
    assert np.isfinite(found.log["hypervolume"]).all()
