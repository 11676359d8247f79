"""Devices that measure an energy or the size of a file: limits on it, names, units, bundles, adaptation."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from made_up import SPACE, learned, measured, run

import nagevo
from nagevo.deploy.export import export_onnx
from nagevo.deploy.model_card import model_card
from nagevo.foundation.errors import BudgetError, ConfigError, DeviceError
from nagevo.generator.requests import Quantities
from nagevo.measure.latency import create_device, quantity
from nagevo.report.content import limits


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Return the bundle of an experiment with a device that measures latency and one that measures energy."""
    folder = tmp_path_factory.mktemp("energy") / "generator"
    learned(measured(60, "exact", "meter"), folder)
    return folder


@pytest.fixture(scope="module")
def generator(bundle):
    return nagevo.load(bundle)


def energy(generator, architecture: str) -> float:
    """Return what an architecture stays under at confidence 0.9, in mJ."""
    return generator.predictor.latency_bound_ms("meter", SPACE.from_text([architecture]), 0.9)[0]


def test_a_limit_on_energy_is_kept_beside_the_budget_and_costs_accuracy(generator):
    alone = generator.generate(9.0, device="exact")
    limit = 0.7 * energy(generator, alone.architecture)
    both = generator.generate({"latency_ms": 9.0, "energy_mj": limit}, device="exact")
    assert both.bounds["latency_ms"] == both.latency_bound_ms
    assert both.bounds["energy_mj"] == pytest.approx(energy(generator, both.architecture))
    assert both.bounds["energy_mj"] <= limit
    assert both.accuracy < alone.accuracy
    named = generator.generate({"latency_ms_exact": 9.0, "energy_mj_meter": limit}, device="exact")
    assert named.architecture == both.architecture


def test_a_budget_on_a_device_is_of_what_it_measures(generator):
    answer = generator.generate(12.0, device="meter")
    assert generator.quantity("meter") == "energy_mj"
    assert answer.limits == {"energy_mj": 12.0}
    assert answer.bounds["energy_mj"] == answer.latency_bound_ms <= 12.0
    assert answer.latency_bound_ms == pytest.approx(energy(generator, answer.architecture))
    with pytest.raises(nagevo.InfeasibleBudget, match=r"energy_mj 0\.1 is infeasible on meter: energy_mj binds"):
        generator.generate(0.1, device="meter")


def test_offers_hold_the_answer_to_each_limit_on_energy(generator):
    offers = pd.DataFrame(generator.offers(device="exact"))
    refused = 0
    for budget in np.linspace(0.5, 9.0, 5):
        for limit in np.geomspace(3.0, 40.0, 7):
            holding = offers[(offers["bound"] <= budget) & (offers["energy_mj_meter"] <= limit)]
            (answer,) = generator.answers([{"latency_ms": budget, "energy_mj": limit}], device="exact")
            if len(holding):
                assert answer.architecture == holding["architecture"].iloc[0]
            else:
                assert isinstance(answer, nagevo.InfeasibleBudget)
                refused += 1
    assert 0 < refused < 35
    assert limits(generator, "exact")[0] == {"name": "energy_mj_meter", "words": "Energy on meter", "unit": "mJ"}


def test_the_limits_of_a_generator_are_named_and_others_refused(generator):
    assert generator.limits[:4] == ("latency_ms", "energy_mj", "latency_ms_exact", "energy_mj_meter")
    with pytest.raises(BudgetError, match='limit "file_kb" is unknown'):
        generator.generate({"file_kb": 5.0}, device="exact")
    with pytest.raises(BudgetError, match='limit "latency_ms_meter" is unknown'):
        generator.generate({"latency_ms_meter": 5.0}, device="exact")


def test_a_quantity_that_several_other_devices_measure_needs_the_name_of_one():
    quantities = Quantities({"phone": "latency_ms", "one": "energy_mj", "other": "energy_mj"})
    assert quantities.full_name("energy_mj", "one") == "energy_mj_one"
    assert quantities.full_name("energy_mj", "phone") == "energy_mj"
    assert quantities.device_of("energy_mj") is None


def test_a_limit_that_may_mean_several_devices_is_refused_with_their_names(bundle):
    generator = nagevo.load(bundle)
    texts = generator.probes_for("second")
    values = generator.predictor.latency_ms("meter", SPACE.from_text(texts))
    more = generator.adapt("second", dict(zip(texts, values, strict=True)), measures="energy_mj", save=False)
    with pytest.raises(BudgetError, match="choose one of energy_mj_meter, energy_mj_second, "):
        more.generate({"energy_mj": 5.0}, device="exact")


def test_the_command_adapts_to_a_meter_from_a_table_and_answers_in_its_unit(tmp_path, monkeypatch, capsys):
    generator = learned(measured(40, "exact", "meter"), tmp_path / "generator")
    texts = generator.probes_for("socket")
    table = pd.DataFrame({"architecture": texts})
    table["energy_mj"] = 2 * generator.predictor.latency_ms("meter", SPACE.from_text(texts))
    table.to_csv(tmp_path / "measured.csv", index=False)
    asked = ["--bundle", str(tmp_path / "generator"), "--device", "socket"]
    code, _, err = run(monkeypatch, capsys, "adapt", *asked, "--measurements", str(tmp_path / "measured.csv"))
    assert (code, " mJ at confidence" in err) == (0, True)
    adapted = nagevo.load(tmp_path / "generator")
    assert adapted.quantity("socket") == "energy_mj"
    more = dict(zip(adapted.probes_for("socket", 4), [20.0, 30.0, 40.0, 50.0], strict=True))
    assert adapted.adapt("socket", more, save=False).quantity("socket") == "energy_mj"
    with pytest.raises(DeviceError, match='"socket" measures energy_mj, got latency_ms'):
        adapted.adapt("socket", more, measures="latency_ms", save=False)
    generate = ["generate", *asked, "--budget", "60", "--limit", "parameters=1e6", "--confidence", "0.5"]
    assert run(monkeypatch, capsys, *generate)[1].startswith("60 mJ and parameters 1e+06 on socket")
    entry = json.loads(run(monkeypatch, capsys, *generate, "--json")[1])
    assert (entry["budget"], entry["limits"]) == (60.0, {"energy_mj": 60.0, "parameters": 1e6})
    table.rename(columns={"energy_mj": "energy"}).to_csv(tmp_path / "foreign.csv", index=False)
    code, _, err = run(monkeypatch, capsys, "adapt", *asked, "--measurements", str(tmp_path / "foreign.csv"))
    assert (code, "expected one of the columns latency_ms, energy_mj, file_kb, got none" in err) == (2, True)


def test_a_model_card_says_what_was_measured(generator):
    description = generator.generate(12.0, device="meter").deployment(untrained=True).description
    card = model_card(description, {})
    assert "at most 12 mJ on meter" in card
    assert "| energy bound |" in card


def test_the_metadata_of_a_file_name_budget_and_value_by_their_quantity(generator):
    answer = generator.generate(12.0, device="meter")
    metadata = answer.deployment(untrained=True).metadata
    assert json.loads(metadata["budget_mj"]) == 12.0
    assert json.loads(metadata["energy_mj"]) == answer.value
    assert not {"budget_ms", "latency_ms"} & set(metadata)
    of_time = generator.generate(12.0, device="exact").deployment(untrained=True).metadata
    assert {"budget_ms", "latency_ms"} <= set(of_time)


def test_what_a_device_measures_is_read_from_its_options_or_its_class():
    assert quantity("table", {}) == "latency_ms"
    assert quantity("table", {"measures": "energy_mj"}) == "energy_mj"
    assert quantity("onnx_file", {}) == "file_kb"
    with pytest.raises(ConfigError, match=r'measures: expected one of .* got "volts"'):
        create_device("table", path="t.csv", measures="volts")
    with pytest.raises(ConfigError, match=r'measures: expected one of .* got "volts"'):
        create_device("command", command="run {model}", measures="volts")


def test_a_program_may_report_an_energy_in_its_unit_and_in_no_other():
    device = create_device("command", command="sh -c 'echo 7.5 mJ' {model}", measures="energy_mj", rounds=1)
    assert device.measure(SPACE, SPACE.extremes())["energy_mj"].tolist() == [7.5, 7.5]
    wrong = create_device("command", command="sh -c 'echo 7.5 ms' {model}", measures="energy_mj", rounds=1)
    status = wrong.measure(SPACE, SPACE.extremes())["status"]
    assert status.str.contains("expected the energy in mJ").all()


def test_the_size_of_a_file_is_that_of_the_exported_one(tmp_path):
    choices, path = SPACE.extremes(), tmp_path / "network.onnx"
    rows = create_device("onnx_file").measure(SPACE, choices)
    assert rows["status"].eq("ok").all()
    export_onnx(SPACE.network(choices[1]), SPACE.input_shape, path)
    assert rows["file_kb"][1] == path.stat().st_size / 1000
    weights_kb = 4 * SPACE.costs(choices)["parameters"][1] / 1000
    assert 0.99 * weights_kb < rows["file_kb"][1] < 1.05 * weights_kb
    assert b"nagevo/spaces" not in path.read_bytes()  # nothing of the code that was exported
    onnxruntime.InferenceSession(path)
