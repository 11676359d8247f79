"""Delivered networks timed again, on a synthetic device: which promises hold."""

import json
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from made_up import run

from nagevo.experiment.delivered import delivered_on, joined, measured_again
from nagevo.foundation.errors import ConfigError, DataError
from nagevo.measure.latency.timing import TimedDevice

QUIET = {"small": 1.0, "large": 4.0}
NETWORKS = {"1ms": (1.0, 0.96, 0.9), "2ms": (2.0, 1.9, 2.2), "3ms": (3.0, 2.8, 2.7)}
"""By folder what was asked, what was promised, and what it needs on the quiet machine, in ms."""
CONDITION = {
    "statistic": "median",
    "condition": "quiet",
    "disturbed": 0.25,
    "slowdown": 1.5,
    "quiet": list(QUIET.values()),
    "references": QUIET,
    "states": [0.0],
    "machine": {"processor": "EPYC", "cores": 2, "system": "Linux"},
}


@dataclass(frozen=True, kw_only=True)
class Slowed(TimedDevice):
    """A machine that is slower by a factor than the one that was promised for; a file says what it needs there."""

    rounds: int = 8
    spread_s: float = 0.0
    factor: float = 1.0

    machine = CONDITION["machine"] | {"processor": "Xeon"}

    @contextmanager
    def opened(self):
        yield lambda path, shape: lambda: [self.factor * float(path.read_text())] * 3


@pytest.fixture
def delivered(tmp_path):
    """Return the folder of an experiment's networks, whose files hold a number in the place of a network."""
    folder = tmp_path / "networks" / "phone"
    (folder / "references").mkdir(parents=True)
    for name, ms in QUIET.items():
        (folder / "references" / f"{name}.onnx").write_text(str(ms))
    for name, (*_, ms) in NETWORKS.items():
        (folder / name).mkdir()
        (folder / name / "network.onnx").write_text(str(ms))
    index = {
        "experiment": "made-up",
        "device": "phone",
        "quantity": "latency_ms",
        "confidence": 0.9,
        "condition": CONDITION,
        "settings": {"backend": "command", "command": "time {model}"},
        "space": {"name": "nasbench201"},
        "networks": [
            {"folder": name, "file": f"{name}/network.onnx", "input_shape": [1], "asked": asked, "promised": promised}
            for name, (asked, promised, _) in NETWORKS.items()
        ],
        "refused": [{"asked": 0.1, "minimum": 0.9}],
        "references": [
            {"file": f"references/{name}.onnx", "architecture": name, "input_shape": [1], "quiet": ms}
            for name, ms in QUIET.items()
        ],
    }
    (folder / "index.json").write_text(json.dumps(index))
    return folder.parent


@pytest.mark.parametrize("factor", [1.0, 1.7])
def test_a_promise_for_the_quiet_machine_is_judged_by_the_references(delivered, factor):
    again = measured_again(delivered_on(delivered)["phone"], Slowed(factor=factor))
    assert [network["kept"] for network in again["networks"]] == [True, False, True]
    for network, (*_, ms) in zip(again["networks"], NETWORKS.values(), strict=True):
        assert network["measured"] == pytest.approx(ms)
        assert network["raw"] == pytest.approx(factor * ms)
    assert again["now"]["disturbed"] == (0.0 if factor == 1.0 else 1.0)


def test_a_promise_for_the_machine_as_observed_is_judged_by_what_it_needed(delivered):
    path = delivered / "phone" / "index.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps(index | {"condition": CONDITION | {"condition": "observed"}}))
    again = measured_again(delivered / "phone", Slowed(factor=1.2, condition="observed"))
    assert [network["kept"] for network in again["networks"]] == [False, False, False]  # 1.08, 2.64 and 3.24 ms


def test_a_network_that_fails_keeps_no_promise(delivered):
    (delivered / "phone/2ms/network.onnx").write_text("broken")
    again = measured_again(delivered / "phone", Slowed())
    assert [network["measured"] is None for network in again["networks"]] == [False, True, False]
    assert [network["kept"] for network in again["networks"]] == [True, False, True]


def test_no_program_is_run_because_a_file_among_networks_says_so(delivered, monkeypatch, capsys):
    with pytest.raises(ConfigError, match="device phone runs a program: name the configuration"):
        measured_again(delivered / "phone")
    code, _, err = run(monkeypatch, capsys, "measure", "--networks", str(delivered))
    assert (code, err.count("\n")) == (2, 1)
    config = {"devices": {"phone": {"backend": f"{__name__}:Slowed", "factor": 1.1}}}
    arguments = ("measure", "--networks", str(delivered), "--config", json.dumps(config))
    code, out, _ = run(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "phone: 2 of 3 networks within their budgets, promised at confidence 0.9" in out
    assert "This is another machine: measured are the ratios to the references times their speed on EPYC." in out
    code, out, _ = run(monkeypatch, capsys, *arguments, "--json")
    assert [network["kept"] for network in json.loads(out)["networks"]] == [True, False, True]


def test_folders_without_delivered_networks_are_refused(delivered, tmp_path):
    with pytest.raises(DataError, match="holds no networks that nagevo delivered"):
        delivered_on(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match='device "fone" is unknown'):
        delivered_on(delivered, "fone")
    (delivered / "phone/3ms/network.onnx").unlink()
    with pytest.raises(DataError, match=r"3ms/network\.onnx is absent"):
        measured_again(delivered / "phone", Slowed())
    (delivered / "phone/index.json").write_text('{"device": "phone"}')
    with pytest.raises(DataError, match="is not a table of networks that nagevo delivered: it lacks 'quantity'"):
        measured_again(delivered / "phone", Slowed())


def test_what_fails_in_timing_is_not_blamed_on_the_table(delivered, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Slowed, "opened", full)
    with pytest.raises(OSError, match="No space left"):
        measured_again(delivered / "phone", Slowed())


def test_one_table_has_the_networks_of_all_devices(delivered):
    index = json.loads((delivered / "phone/index.json").read_text())
    table = joined([index, index | {"device": "cpu", "condition": None}])
    assert [network["folder"] for network in table["networks"]] == [
        f"{device}/{name}" for device in ("phone", "cpu") for name in NETWORKS
    ]
    assert [network["statistic"] for network in table["networks"]] == ["median"] * 3 + [None] * 3
    assert [refused["device"] for refused in table["refused"]] == ["phone", "cpu"]
    assert [reference["quiet"] for reference in table["devices"]["phone"]["references"]] == [1.0, 4.0]
    np.testing.assert_equal(table["devices"]["phone"]["condition"], CONDITION)
