"""Accuracies that are expected of networks from what was read of them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from nagevo.measure.expectation import MIN_READINGS, expected_accuracy
from nagevo.measure.measurements import CROSS_ENTROPY, STANDARD_ERROR, Measurements

N_IMAGES = 1000


def networks(n: int, rng: np.random.Generator, n_images: int = N_IMAGES):
    """Return true accuracies of networks with what is read of them on images that all of them share.

    An image is right where a network's margin is above 0: a skill of the network, less what the image asks, plus noise.
    """
    skill = np.sort(rng.uniform(1.0, 2.3, n))
    margins = skill[:, None] - 0.6 * rng.normal(size=n_images) + 0.8 * rng.normal(size=(n, n_images))
    loss = np.log1p(np.exp(-3.0 * margins)).mean(axis=1)
    right = (margins > 0).sum(axis=1)
    share = (right + 1) / (n_images + 2)
    error = 100 * np.sqrt(share * (1 - share) / (n_images + 2))
    return 100 * norm.cdf(skill), 100 * right / n_images, error, loss


def test_expected_accuracies_order_networks_better_than_those_that_were_read():
    rng, errors, gaps = np.random.default_rng(0), [], []
    for _ in range(20):
        truth, accuracy, error, loss = networks(60, rng)
        expected, expected_error = expected_accuracy(accuracy, error, loss)
        for values in (accuracy, expected):
            errors.append(np.std(values - truth))  # less what the images have done to all of them alike
            chosen = [values[: k + 1].argmax() for k in range(9, 60, 10)]  # the best of budgets
            gaps.append(np.mean([truth[k] for k in range(9, 60, 10)] - truth[chosen]))
        assert (expected_error < error).all()
    read, regressed = np.reshape(errors, (-1, 2)).mean(axis=0)
    assert regressed < 0.9 * read
    lost, lost_by_expected = np.reshape(gaps, (-1, 2)).mean(axis=0)
    assert lost_by_expected < 0.75 * lost


def test_networks_that_the_cross_entropy_says_nothing_of_keep_what_was_read():
    rng = np.random.default_rng(0)
    truth = rng.uniform(60, 95, 50)
    error = np.full(50, 0.1)
    expected, expected_error = expected_accuracy(truth, error, rng.uniform(0.2, 0.4, 50))
    np.testing.assert_allclose(expected, truth, atol=0.05)
    assert (expected_error <= error).all()


def test_a_perfect_network_is_expected_to_err():
    _, accuracy, error, loss = networks(40, np.random.default_rng(0))
    accuracy[-1], error[-1] = 100.0, 0.1
    expected, _ = expected_accuracy(accuracy, error, loss)
    assert 98 < expected[-1] < 100


@pytest.mark.parametrize("unknown", ["error", "loss", "few"])
def test_without_errors_cross_entropies_or_enough_networks_accuracies_stay(unknown):
    _, accuracy, error, loss = networks(MIN_READINGS - (unknown == "few"), np.random.default_rng(0))
    values = {"error": error, "loss": loss}
    if unknown in values:
        values[unknown][0] = np.nan
    expected, expected_error = expected_accuracy(
        accuracy, **{"standard_error": values["error"], "cross_entropy": values["loss"]}
    )
    np.testing.assert_array_equal(expected, accuracy)
    np.testing.assert_array_equal(expected_error, error)


def test_rows_of_measurements_are_expected_once_and_tables_stay_as_they_are():
    _, accuracy, error, loss = networks(30, np.random.default_rng(0))
    accuracy[3] = np.nan
    read = {STANDARD_ERROR: error, CROSS_ENTROPY: loss}
    choices = np.arange(30, dtype=np.int8)[:, None]
    table = Measurements(choices, np.zeros(30, dtype=int), accuracy, {"a": np.ones(30)}, readings=read)
    expected = table.expected()
    np.testing.assert_array_equal(np.isnan(expected.accuracy), np.isnan(accuracy))
    assert np.nanmax(np.abs(expected.accuracy - accuracy)) > 0
    np.testing.assert_array_equal(expected.expected().accuracy, expected.accuracy)
    np.testing.assert_array_equal(replace(table, readings={}).expected().accuracy, accuracy)
