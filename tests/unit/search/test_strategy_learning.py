"""The predictors that strategies fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from separable import SeparableSpace, accuracy, latency_ms, measure

from nagevo.search.methods.learning import Inputs, MLPPredictor, batches

SPACE = SeparableSpace()


def test_inputs_of_the_fitted_rows_span_zero_to_one():
    rows = SPACE.sample(20, rng=np.random.default_rng(0))
    inputs = Inputs(SPACE, rows)
    assert inputs(rows).min() == 0
    assert inputs(rows).max() == 1
    assert inputs(rows).shape == (20, inputs.n_inputs)


def test_each_pass_of_the_batches_visits_every_row_once():
    drawn = batches(10, 4, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        assert sorted(torch.cat([next(drawn) for _ in range(3)]).tolist()) == list(range(10))


@pytest.fixture(scope="module")
def table():
    return measure(SPACE.sample_distinct(80, rng=np.random.default_rng(1)))


def test_predictors_rank_architectures_that_they_have_not_seen(table):
    unseen = SPACE.sample_distinct(80, rng=np.random.default_rng(2), exclude=table.choices)
    rng = np.random.default_rng(0)
    assert (
        kendalltau(MLPPredictor.of_accuracy(SPACE, table, rng=rng, hidden=64)(unseen), accuracy(unseen)).statistic > 0.9
    )
    assert (
        kendalltau(
            MLPPredictor.of_latency(SPACE, table, "phone", rng=rng, hidden=64)(unseen), latency_ms(unseen)
        ).statistic
        > 0.9
    )


def test_predictors_come_back_to_the_units_of_what_was_measured(table):
    predicted = MLPPredictor.of_latency(SPACE, table, "phone", rng=np.random.default_rng(0), hidden=64)(table.choices)
    assert np.abs(predicted / latency_ms(table.choices) - 1).mean() < 0.1


def test_rows_without_a_number_are_left_out(table):
    table.accuracy[:40] = np.nan
    assert np.isfinite(
        MLPPredictor.of_accuracy(SPACE, table, rng=np.random.default_rng(0), hidden=16, steps=5)(SPACE.extremes())
    ).all()
