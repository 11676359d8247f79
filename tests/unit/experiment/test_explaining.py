"""Why an answer takes as long as it does."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from made_up import run

from nagevo.experiment.catalog import answer_from_measurements
from nagevo.experiment.config import parse_config
from nagevo.experiment.delivery import INDEX
from nagevo.experiment.explaining import device_of, explain
from nagevo.experiment.profiling import LAYERS, compared
from nagevo.foundation.tables import write_table
from nagevo.generator.generator import Generator
from nagevo.measure.latency.base import Device
from nagevo.measure.latency.layers import Layer
from nagevo.report.delivered import delivered
from nagevo.spaces.base import SearchSpace

ACCURACY, MS = [60.0, 70.0, 65.0, 80.0], [1.0, 2.0, 3.0, 4.0]


class Names(SearchSpace):
    """Four networks."""

    n_options, choice_names = (4,), ("network",)

    def to_text(self, choices):
        return ["abcd"[option] for (option,) in choices]

    def _parse(self, text):
        return ["abcd".index(text)]

    def words(self, choices):
        return self.to_text(choices[None])


class Phone(Device):
    """Has two layers, of which the second takes a quarter of the time, on another processor."""

    exact, place = True, "npu"
    factor = 1.0

    def measure(self, space, choices):
        values = self.factor * np.array(MS)[choices[:, 0]]
        return pd.DataFrame({"latency_ms": values, "status": "ok"})

    def layers(self, space, choices):
        return [Layer("first", "Conv", "npu", 30.0), Layer("second", "Resize", "cpu", 10.0)]


class Meter(Phone):
    """Measures energies."""

    measures = "energy_mj"

    def measure(self, space, choices):
        return super().measure(space, choices).rename(columns={"latency_ms": "energy_mj"})


def answering(tmp_path, device: str) -> Generator:
    """Return the generator that knows all four networks on a device."""
    pd.DataFrame({"architecture": list("abcd"), "accuracy": ACCURACY}).to_csv(tmp_path / "t.csv", index=False)
    config = {
        "experiment": "names",
        "space": {"name": "test_explaining:Names"},
        "accuracy": {"evaluator": "table", "path": str(tmp_path / "t.csv"), "column": "accuracy"},
        "devices": {"phone": {"backend": f"test_explaining:{device}"}},
    }
    return answer_from_measurements(parse_config(config), tmp_path / "results/names/generator", seconds=1)


@pytest.fixture
def generator(tmp_path) -> Generator:
    return answering(tmp_path, "Phone")


def test_the_next_answers_are_told_by_what_they_change(generator):
    found = explain(generator, generator.generate(3.5), None)  # b: c is slower and less accurate
    assert found["answer"]["architecture"] == "b"
    assert found["faster"] == {"architecture": "a", "changes": ["network: b → a"], "value": -1.0, "points": -10.0}
    assert found["better"] == {"architecture": "d", "changes": ["network: b → d"], "value": 2.0, "points": 10.0}
    assert found["layers"] is found["now"] is None
    assert explain(generator, generator.generate(9.0), None)["better"] is None


def test_layers_add_up_to_the_network_and_strays_are_named(generator):
    found = explain(generator, generator.generate(2.0), Phone())
    assert [(layer["layer"], layer["ms"]) for layer in found["layers"]] == [("first", 1.5), ("second", 0.5)]
    assert found["elsewhere"] == ["second"]
    assert found["now"] == {"value": 2.0, "raw": 2.0, "slowdown": 1.0, "kept": True, "machine": None}


def keep(generator: Generator, first: float, second: float):
    """Write what the delivery of the answer to 2 ms wrote, with its layers."""
    folder = generator.folder.parent / "networks/phone"
    folder.mkdir(parents=True)
    layers = {"layer": ["first", "second"], "operator": ["Conv", "Resize"], "place": ["npu", "cpu"]}
    write_table(pd.DataFrame({"architecture": "b", **layers, "ms": [first, second]}), folder / LAYERS)
    network = {"asked": 2.0, "architecture": "b", "measured": first + second, "kept": True}
    (folder / INDEX).write_text(json.dumps({"confidence": 0.9, "place": "npu", "networks": [network]}))
    return folder.parent


def test_a_broken_budget_names_the_layers_that_are_slower_than_all(generator):
    keep(generator, 1.4, 0.1)
    device = Phone()
    device.factor = 1.5
    found = explain(generator, generator.generate(2.0), device)
    assert not found["now"]["kept"]
    # 3 ms now, 1.5 ms then: twice as slow. The first takes 2.25 of 1.4 ms, the second 0.75 of 0.1 ms
    assert found["slower"] == ["second"]
    assert [layer["then"] for layer in found["layers"]] == [1.4, 0.1]


def test_a_new_layer_is_not_compared():
    now = pd.DataFrame({"layer": ["a", "b"], "ms": [1.0, 5.0]})
    table, slower = compared(now, pd.DataFrame({"layer": ["a"], "ms": [1.0]}))
    assert slower == []
    assert np.isnan(table["then"].iloc[1])


def test_a_bundle_opens_no_backend_that_runs_programs(generator):
    generator.description["backends"]["phone"] = {"backend": "command", "command": "rm {model}"}
    assert device_of(generator, "phone", None) is None
    generator.description["backends"]["phone"] = {"backend": "torch", "threads": 2}
    assert device_of(generator, "phone", None).threads == 2


def test_the_page_gets_the_layers_of_delivered_networks(generator):
    networks = keep(generator, 1.4, 0.1)
    (network,) = delivered(generator, networks, ["phone", "another"])
    assert network["layers"][0] == {"layer": "first", "operator": "Conv", "place": "npu", "ms": 1.4}
    assert (network["n_layers"], network["elsewhere"]) == (2, ["second"])
    assert network["faster"]["architecture"] == "a"


def test_the_command_prints_layers_and_neighbors(generator, monkeypatch, capsys):
    bundle, config = ("--bundle", str(generator.folder)), json.dumps({"devices": generator.description["backends"]})
    code, shown, _ = run(monkeypatch, capsys, "explain", "--budget", "3.5", *bundle, "--config", config)
    assert code == 0
    assert "latency now: 2 ms in the condition of the promise, within 3.5 ms" in shown
    assert "Next faster: -1 ms, -10.00 points: network: b → a" in shown
    _, shown, _ = run(monkeypatch, capsys, "explain", "--budget", "3.5", *bundle)
    assert "not measured: the device cannot be opened here" in shown
    code, _, said = run(monkeypatch, capsys, "explain", "--budget", "0.5", *bundle)
    assert code == 3
    assert "infeasible" in said


def test_energies_are_told_in_their_own_unit(tmp_path, monkeypatch, capsys):
    generator = answering(tmp_path, "Meter")
    devices = json.dumps({"devices": generator.description["backends"]})
    options = ("--budget", "3.5", "--bundle", str(generator.folder), "--config", devices)
    shown = run(monkeypatch, capsys, "explain", *options)[1]
    assert "energy now: 2 mJ in the condition of the promise, within 3.5 mJ (uncorrected: 2 mJ)" in shown
    assert "Next more frugal: -1 mJ, -10.00 points" in shown
    assert " ms" not in shown
