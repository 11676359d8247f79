"""Measurements as they should not be, all the way to the generator's answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import SPACE, config, learned, measured

import nagevo
from nagevo.experiment.config import parse_config
from nagevo.experiment.learning import learn
from nagevo.experiment.search import search_experiment
from nagevo.foundation.errors import DataError
from nagevo.foundation.tables import write_table


def test_constant_accuracies_and_latencies_are_answered_with_themselves(tmp_path):
    constant = replace(measured(9, "exact"), accuracy=np.full(9, 70.0), values={"exact": np.full(9, 2.0)})
    generator = learned(constant, tmp_path / "bundle")
    answer = generator.generate(1e308, confidence=0.5)
    assert answer.accuracy == pytest.approx(70.0, abs=0.01)
    assert answer.latency_bound_ms == pytest.approx(2.0)
    assert isinstance(generator.answers([1.9], confidence=0.5)[0], nagevo.InfeasibleBudget)


def test_devices_that_never_measured_the_same_architecture_are_answered_apart(tmp_path):
    table = measured(14, "exact", "noisy")
    even = np.arange(14) % 2 == 0
    table.values["exact"][even] = np.nan
    table.values["noisy"][~even] = np.nan
    generator = learned(table, tmp_path / "bundle")
    for device in ("exact", "noisy"):
        answer = generator.generate(1e308, device=device, confidence=0.5)
        assert 0 < answer.latency_bound_ms < 100  # the slowest cell takes 13 ms


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_latencies_of_any_size_are_answered_in_their_own_units(tmp_path, factor):
    table = measured(9, "exact")
    scaled = replace(table, values={"exact": factor * table.values["exact"]})
    generator = learned(scaled, tmp_path / "bundle")
    fastest = generator.steps(confidence=0.5)[0]
    assert 0.1 * factor < fastest.latency_bound_ms <= factor * table.values["exact"].min()


def test_two_measurements_are_enough_and_one_is_said_to_be_too_few(tmp_path):
    table = measured(3, "exact")
    assert learned(table.rows(np.arange(2)), tmp_path / "two").generate(1e308, confidence=0.5).latency_ms > 0
    with pytest.raises(DataError, match="needs at least 2 accuracies, got 1 that did not fail"):
        learned(table.rows(np.arange(1)), tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_a_device_that_always_fails_is_named(tmp_path):
    table = measured(6, "exact", "noisy")
    table.values["noisy"][:] = np.nan
    with pytest.raises(DataError, match="device noisy: a surrogate needs at least 2 latencies, got 0"):
        learned(table, tmp_path / "bundle")


BAD = {3: np.nan, 4: np.inf, 5: 0.0, 6: -1.0}
"""Latencies of rows whose number has this remainder by 11."""


def test_a_large_table_with_bad_and_repeated_rows_becomes_a_generator(tmp_path):
    choices = SPACE.enumerate()[::2]
    cost = np.array([0.0, 0.1, 0.3, 1.0, 2.0])[choices].sum(axis=1)
    latency_ms, bad = 1.0 + cost, np.arange(len(choices)) % 11
    for remainder, value in BAD.items():
        latency_ms[bad == remainder] = value
    accuracy = np.where(bad == 7, 1e308, 90.0 - 60.0 * np.exp(-0.4 * cost))
    table = pd.DataFrame({"architecture": SPACE.to_text(choices), "accuracy": accuracy, "latency_ms": latency_ms})
    write_table(pd.concat([table, table[:500]]), tmp_path / "t.parquet")
    raw = config("exact") | {"search": {"strategy": "random", "evaluations": 40}}
    raw["accuracy"]["path"] = raw["devices"]["exact"]["path"] = str(tmp_path / "t.parquet")
    experiment = parse_config(raw)
    measurements = search_experiment(experiment)
    assert measurements.n_evaluations == 40
    texts = pd.Series(SPACE.to_text(measurements.choices))
    expected = texts.map(table.set_index("architecture")["latency_ms"])
    usable = ((expected > 0) & (expected < np.inf)).to_numpy()
    found = measurements.values["exact"]
    np.testing.assert_array_equal(found[usable], expected[usable])
    assert not ((found <= 0) | np.isinf(found)).any()
    assert np.isnan(found).any()  # what is in the table under no text that means the same network
    assert np.nanmax(measurements.accuracy) <= 90.0
    answer = learn(experiment, measurements, tmp_path / "bundle").generate(1e308, confidence=0.5)
    assert 0 < answer.latency_bound_ms < 100


def test_what_fails_above_a_size_is_not_answered(tmp_path):
    table = measured(60, "exact")
    too_large = SPACE.costs(table.choices)["parameters"] > 0.5e6
    assert 10 < too_large.sum() < 50
    reasons = np.where(too_large, "out of memory", "").astype(object)
    table.values["exact"][too_large] = np.nan
    generator = learned(replace(table, failures={"exact": reasons}), tmp_path / "bundle")
    answers = [step.architecture for step in generator.steps(confidence=0.5)]
    parameters = SPACE.costs(SPACE.from_text(answers))["parameters"]
    assert len(answers) > 3
    assert not set(answers) & set(SPACE.to_text(table.choices[too_large]))
    assert (parameters <= 0.6e6).all()  # the nearest that are known: the classifier may be wrong between them
