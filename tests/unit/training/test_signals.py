"""The made-up windows whose best possible accuracy is known."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError
from nagevo.training.datasets import DATASETS, load_dataset
from nagevo.training.datasets.signals import CLASSES, phases, signals

SCRIPT = Path(__file__).parents[3] / "docs/development/scripts/signals_ceiling.py"


@pytest.fixture(scope="module")
def most_likely():
    """Return the classifier by likelihood of the script that tells the ceiling."""
    spec = importlib.util.spec_from_file_location("signals_ceiling", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.most_likely


def test_the_same_seed_gives_the_same_windows_of_classes_in_equal_numbers():
    first, again, other = signals(windows=80), signals(windows=80), signals(windows=80, windows_seed=1)
    assert first.pools["train"].inputs.shape == (80, 3, 128)
    assert first.pools["train"].inputs.dtype == np.float32
    np.testing.assert_array_equal(first.pools["train"].inputs, again.pools["train"].inputs)
    assert not np.array_equal(first.pools["train"].inputs, other.pools["train"].inputs)
    assert np.bincount(first.pools["train"].labels).tolist() == [10] * 8
    assert (len(CLASSES), CLASSES[:3]) == (8, ("steady left", "steady right", "rising left"))


def test_without_noise_the_three_channels_are_one_rotation():
    inputs = signals(windows=80, noise=0).pools["train"].inputs.astype(float)
    np.testing.assert_allclose(inputs.sum(axis=1), 0, atol=1e-5)  # cosines a third of a turn apart
    squares = (inputs**2).sum(axis=1)  # 3/2 · amplitude², the same at all times
    np.testing.assert_allclose(squares, np.repeat(squares[:, :1], 128, axis=1), rtol=1e-4)
    assert 1.5 * 0.5**2 <= squares.min() < squares.max() <= 1.5 * 1.5**2


def test_frequencies_go_where_the_name_of_the_class_says():
    found = phases(np.array([0.1]), np.array([0.0]), 1000)[:, 0]
    steady, rising, falling, wavering = np.diff(found) / (2 * np.pi)
    np.testing.assert_allclose(steady, 0.1)
    assert np.count_nonzero(np.diff(rising) < 0) == np.count_nonzero(np.diff(falling) > 0) == 3  # four periods
    np.testing.assert_allclose([rising[0], rising[248]], [0.05, 0.15], atol=1e-3)
    np.testing.assert_allclose(falling + rising, 0.2)
    assert np.count_nonzero(np.diff(np.sign(wavering - 0.1))) == 7
    np.testing.assert_allclose([wavering.min(), wavering.max()], [0.05, 0.15], atol=1e-4)
    later = phases(np.array([0.1]), np.array([0.5]), 1000)[1, 0]
    np.testing.assert_allclose(np.diff(later)[:100], np.diff(found[1])[125:225])


@pytest.mark.slow
def test_the_classifier_by_likelihood_tells_windows_that_a_linear_one_cannot(most_likely):
    pool = signals(windows=400, noise=1.0).pools["train"]
    assert (most_likely(pool.inputs, 1.0) == pool.labels).mean() > 0.97
    known, unknown = pool.inputs.reshape(2, 200, 384)
    classes = np.eye(8)[pool.labels[:200]]
    weights = np.linalg.solve(known.T @ known + 100 * np.eye(384), known.T @ classes)  # ridge regression
    assert ((unknown @ weights).argmax(1) == pool.labels[200:]).mean() < 0.25  # one in eight is chance


def test_the_dataset_is_there_by_its_name():
    assert "signals" in DATASETS
    dataset = load_dataset("signals", (3, 16), windows=160, length=16, validation=16, test=16, seed=3, windows_seed=2)
    assert dataset.split("train").inputs.shape == (128, 3, 16)
    with pytest.raises(ConfigError, match="windows"):
        load_dataset("signals", (3, 16), windows=8)
