"""The relaxation and GAEA on small problems whose solutions are known."""

import numpy as np
import pytest
import torch
from separable import SeparableSpace, best_accuracy, measure, search

from nagevo.foundation.frontier import best_under
from nagevo.search.methods.budget_sweep import Budget, sweep
from nagevo.search.methods.gaea import GAEA
from nagevo.search.methods.relaxation import RelaxedSurrogate, Simplices

SIMPLICES = Simplices((2, 3))


class Linear:
    """A surrogate whose error is linear in the mixture and whose latency never exceeds a budget."""

    n_members = 1

    def __init__(self, slopes):
        self.slopes = torch.tensor(slopes)

    def __call__(self, mixtures, device):
        error = mixtures @ self.slopes
        return error, torch.full_like(error, -100.0)


def test_the_exponentiated_step_equals_the_closed_form():
    weights = torch.tensor([0.5, 0.5, 0.2, 0.3, 0.5])
    gradient = torch.tensor([0.0, 1.0, 2.0, 0.0, -1.0])
    stepped = SIMPLICES.exponentiated_step(weights, gradient, 0.1)
    first = np.array([0.5, 0.5 * np.exp(-0.1)])
    second = np.array([0.2 * np.exp(-0.2), 0.3, 0.5 * np.exp(0.1)])
    np.testing.assert_allclose(stepped, np.concatenate([first / first.sum(), second / second.sum()]), rtol=1e-6)


def test_weights_are_clamped_before_they_are_normalized():
    stepped = Simplices((2,)).exponentiated_step(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1e4]), 1.0)
    np.testing.assert_allclose(stepped, [0.5 / 0.50001, 1e-5 / 0.50001], rtol=1e-6)


def test_steps_on_a_linear_error_end_where_the_closed_form_says():
    slopes = [0.3, -0.2, 0.1, 0.0, -0.4]
    strategy = GAEA(SeparableSpace(), ["phone"], steps=20, rate=0.1)
    strategy.simplices = SIMPLICES
    mixture = strategy.descend(
        Linear(slopes), SIMPLICES.uniform(1, 1), Budget("phone", 1.0), generator=torch.Generator()
    )
    powers = np.exp(-20 * 0.1 * np.array(slopes))  # from the uniform mixture: exp(-steps · rate · gradient), normalized
    expected = np.concatenate([powers[:2] / powers[:2].sum(), powers[2:] / powers[2:].sum()])
    np.testing.assert_allclose(mixture[0, 0], expected, rtol=1e-5)


def test_corners_and_likeliest_options_are_inverse():
    choices = np.array([[0, 2], [1, 0], [1, 1]], dtype=np.int8)
    np.testing.assert_array_equal(SIMPLICES.corners(choices)[0], [1, 0, 0, 0, 1])
    np.testing.assert_array_equal(SIMPLICES.likeliest(SIMPLICES.corners(choices)), choices)


def test_softmax_sums_to_one_over_each_simplex():
    weights = SIMPLICES.softmax(torch.tensor([[0.0, 0.0, 1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(weights[0, :2], [0.5, 0.5])
    np.testing.assert_allclose(weights[0, 2:], np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum(), rtol=1e-6)


def test_the_surrogate_ranks_what_it_has_not_seen():
    space = SeparableSpace()
    choices = np.random.default_rng(0).permutation(space.enumerate())
    generator = torch.Generator().manual_seed(0)
    surrogate = RelaxedSurrogate(space, measure(choices[:80]), generator=generator)
    error, log_latency = surrogate(surrogate.simplices.corners(choices[80:]), "phone")
    unseen = measure(choices[80:])
    assert np.corrcoef(error.mean(0), unseen.accuracy)[0, 1] < -0.95
    assert np.corrcoef(log_latency.mean(0), np.log(unseen.values["phone"]))[0, 1] > 0.95


def test_budgets_span_the_measured_frontier_from_the_largest_down():
    objectives = np.array([[40.0, 1.0], [30.0, 10.0], [20.0, 100.0], [50.0, 1000.0]])
    budgets = sweep(objectives, 2, rng=np.random.default_rng(0))
    assert 100 >= budgets[0] >= 10 >= budgets[1] >= 1


@pytest.mark.slow
def test_the_best_architectures_for_all_budgets_are_found():
    strategy = GAEA(SeparableSpace(), ["phone"], evaluations=60, initial=20)
    found = search(strategy, [20, 20, 20])
    budgets = np.array([5.0, 10.0, 20.0])
    answers = best_under(found.values["phone"], found.accuracy, budgets)
    best = np.array([best_accuracy(budget) for budget in budgets])
    assert (found.accuracy[answers] >= best - 1.0).all()  # one point is the smallest difference there is
