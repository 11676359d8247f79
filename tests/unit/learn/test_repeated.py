"""Values of networks that were all measured on several occasions."""

from __future__ import annotations

import numpy as np
import pytest

from nagevo.learn.repeated import RepeatedValues


def test_a_network_is_expected_to_take_the_geometric_mean_of_its_occasions():
    # net 0: sqrt(1 · 4) = 2; net 1 was read once, which says nothing of another occasion
    repeated = RepeatedValues.of(np.array([[1.0, np.nan], [4.0, 3.0]]))
    assert repeated.expected[0] == pytest.approx(2.0)
    assert np.isnan(repeated.expected[1])
    # two residuals: log 1 − log 4 and log 4 − log 1, less their shifts (themselves), are zeros
    np.testing.assert_allclose(repeated.residuals.values, [0.0, 0.0])
    assert repeated.highest_confidence == 2 / 3


def test_a_bound_covers_an_occasion_that_was_left_out():
    rng = np.random.default_rng(0)
    truth = np.exp(rng.normal(size=12))
    kept = []
    for _ in range(400):
        speed = np.exp(rng.normal(scale=0.05, size=(5, 1)))
        values = truth * speed * np.exp(rng.normal(scale=0.02, size=(5, 12)))
        repeated = RepeatedValues.of(values[:4])
        kept.append(values[4] <= repeated.expected * np.exp(repeated.residuals.margin(0.9)))
    assert 0.88 <= np.mean(kept) <= 0.98


def test_a_value_that_is_always_the_same_is_its_own_bound():
    repeated = RepeatedValues.of(np.array([[1.0, np.nan]]))
    assert repeated.expected[0] == 1.0
    assert repeated.highest_confidence == 1.0
    assert repeated.spread.tolist() == [0.0, 0.0]
