"""CENAS: alpha-dominance, references, the classifier and the evolution that it leads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from separable import SeparableSpace, mean_shortfall, measure, search
from sklearn.metrics import roc_auc_score

from nagevo.search.methods.cenas import (
    CENAS,
    POSITIVE_RATE,
    ParetoClassifier,
    alpha_dominated,
    reference_indices,
    regulated_alpha,
    two_point_crossover,
)

SPACE = SeparableSpace()
points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=6)


def dominates(a, b, alpha):
    """Return whether a alpha-dominates b, by the formula for each objective of two."""
    gaps = [(a[0] - b[0]) + alpha * (a[1] - b[1]), (a[1] - b[1]) + alpha * (a[0] - b[0])]
    return max(gaps) <= 0 and min(gaps) < 0


@settings(max_examples=50, deadline=None)
@given(points, points, st.sampled_from([-0.5, -0.25, 0.0, 0.5]))
def test_labels_equal_alpha_dominance_pair_by_pair(rows, references, alpha):
    expected = [[dominates(reference, row, alpha) for reference in references] for row in rows]
    assert alpha_dominated(np.array(rows, float), np.array(references, float), alpha).tolist() == expected


def test_an_alpha_of_zero_is_pareto_dominance():
    rows, references = np.array([[1.0, 1.0], [0.0, 2.0], [3.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    assert alpha_dominated(rows, references, 0.0).tolist() == [[True, False], [False, False], [True, False]]


def test_alpha_regulates_the_share_of_positive_labels_in_both_directions():
    rng = np.random.default_rng(0)
    cloud = rng.random((200, 2))
    for references in (np.array([[0.5, 0.5]]), np.array([[0.1, 0.2], [0.2, 0.1]])):
        alpha = regulated_alpha(cloud, references)
        rate = 1 - alpha_dominated(cloud, references, alpha).any(axis=1).mean()
        assert POSITIVE_RATE[0] <= rate <= POSITIVE_RATE[1]


def test_one_reference_stands_for_each_cluster_of_the_frontier():
    # four groups of three nondominated points around (0, 3), (1, 2), (2, 1) and (3, 0), and a dominated point
    centers = np.repeat([[0.0, 3.0], [1.0, 2.0], [2.0, 1.0], [3.0, 0.0]], 3, axis=0)
    objectives = np.concatenate([centers + np.tile([[-0.1, 0.1], [0.0, 0.0], [0.1, -0.1]], (4, 1)), [[9.0, 9.0]]])
    assert reference_indices(objectives, seed=0).tolist() == [1, 4, 7, 10]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_two_point_crossover_takes_one_stretch_of_the_second_parent(seed):
    first, second = np.zeros((5, 8), dtype=np.int8), np.ones((5, 8), dtype=np.int8)
    children = two_point_crossover(first, second, rng=np.random.default_rng(seed))
    assert (np.abs(np.diff(children, axis=1, prepend=0, append=0)).sum(axis=1) <= 2).all()


@pytest.fixture(scope="module")
def classifier():
    known = measure(SPACE.sample_distinct(80, rng=np.random.default_rng(0)))
    options = {"epochs": 100, "hidden": 128, "learning_rate": 1e-3}
    return ParetoClassifier(SPACE, known, "phone", **options, rng=np.random.default_rng(0))


def test_the_classifier_tells_apart_architectures_that_it_has_not_seen(classifier):
    unseen = measure(SPACE.sample_distinct(100, rng=np.random.default_rng(5)))
    assert roc_auc_score(classifier.labels(unseen.objectives("phone")), classifier(unseen.choices)) > 0.75


def test_labels_are_positive_where_no_reference_dominates(classifier):
    table = measure(SPACE.enumerate())
    scaled = (table.objectives("phone") - classifier.frontier.min(axis=0)) / np.ptp(classifier.frontier, axis=0)
    expected = [
        not any(dominates(reference, row, classifier.alpha) for reference in classifier.references) for row in scaled
    ]
    assert classifier.labels(table.objectives("phone")).tolist() == expected


def test_round_sizes_add_up_and_the_first_is_a_quarter():
    assert CENAS.round_sizes(200)[:2] == [50, 8]
    for evaluations, rounds in ((200, None), (200, 4), (7, 3), (1, None), (5, 50), (2, 1)):
        sizes = CENAS.round_sizes(evaluations, rounds)
        assert sum(sizes) == evaluations
        assert min(sizes) > 0
        assert rounds is None or len(sizes) <= rounds


OPTIONS = {"evaluations": 40, "epochs": 50, "hidden": 64, "learning_rate": 3e-3, "predictor_steps": 30}


def test_the_search_beats_random_search():
    assert mean_shortfall([CENAS(SPACE, ["phone"], seed=seed, **OPTIONS) for seed in (0, 1)], [20, 10, 10]) < 1.5


def test_the_report_holds_the_classifier_of_every_later_round():
    strategy = CENAS(SPACE, ["phone"], **OPTIONS)
    strategy.tell(search(strategy, [20, 10, 10]))
    report = strategy.report()
    assert report["round"].tolist() == [1, 2]
    assert report["f1"].between(0, 1).all()
    told = strategy.measurements.rows(strategy.measurements.round < 2)
    classifier = ParetoClassifier(
        SPACE, told, "phone", epochs=1, hidden=2, learning_rate=0.1, rng=np.random.default_rng([0, 2])
    )
    last = strategy.measurements.rows(strategy.measurements.round == 2)
    assert report["positive_rate"].iloc[1] == classifier.labels(last.objectives("phone")).mean()
