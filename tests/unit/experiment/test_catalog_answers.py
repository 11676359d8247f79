"""Answers from measuring every network of a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from torch import nn

from nagevo import load
from nagevo.cli import main
from nagevo.deploy.export import onnx_for_timing
from nagevo.experiment.catalog import accuracy_columns, answer_from_measurements, measure_on_occasions
from nagevo.experiment.config import parse_config
from nagevo.foundation.errors import BundleError, DataError
from nagevo.measure.latency.base import Device
from nagevo.spaces import create_space

WIDTHS = {"small": 2, "medium": 8, "large": 32}
WITHOUT = (
    "import sys; from nagevo.foundation.errors import EXTRAS;"
    "sys.modules.update(dict.fromkeys(set(EXTRAS) - set({kept!r})));"
    "from nagevo.cli import main; main()"
)
"""Runs a command as where of the optional packages only some are installed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, width in WIDTHS.items():
        network = nn.Sequential(nn.Conv2d(1, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))
        (folder / f"{name}.onnx").write_bytes(onnx_for_timing(network, (1, 16, 16)))
    table = pd.DataFrame({"architecture": [*WIDTHS], "accuracy": [50.0, 70.0, 90.0]})
    table.to_csv(folder / "accuracies.csv", index=False)
    return folder


class Clock(Device):
    """Says of each network another number on every occasion; the largest network fails."""

    def __init__(self):
        self.occasion = 0

    def measure(self, space, choices):
        self.occasion += 1
        texts = space.to_text(choices)
        values = [np.nan if text == "large" else WIDTHS[text] * 2.0**self.occasion for text in texts]
        return pd.DataFrame({"latency_ms": values, "status": np.where(np.isnan(values), "too large", "ok")})


@dataclass(frozen=True)
class Scale(Device):
    """Says the width of each network."""

    exact = True

    def measure(self, space, choices):
        return pd.DataFrame({"latency_ms": [float(WIDTHS[text]) for text in space.to_text(choices)], "status": "ok"})


def experiment(folder, *devices: str):
    accuracy = {"evaluator": "table", "path": str(folder / "accuracies.csv"), "column": "accuracy"}
    return parse_config(
        {
            "space": {"name": "catalog", "path": str(folder)},
            "accuracy": accuracy,
            "devices": {name.lower(): {"backend": f"test_catalog_answers:{name}"} for name in devices},
        }
    )


@pytest.mark.slow
def test_answers_need_neither_torch_nor_xgboost_nor_snakemake(folder, tmp_path):
    def run(kept, *arguments):
        command = [sys.executable, "-c", WITHOUT.format(kept=kept), *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    shown = run(["onnx", "onnxruntime"], "catalog", folder, "--seconds", 2, "--budget", 1000)
    assert "1000 ms on onnxruntime: large  90.00 %" in shown
    bundle = tmp_path / f"results/catalog-{folder.name}/generator"
    assert sorted(path.name for path in bundle.iterdir()) == ["answers.safetensors", "manifest.json"]
    answer = json.loads(run([], "generate", "--budget", 1000, "--json"))
    assert (answer["architecture"], answer["measured"], answer["device"]) == ("large", True, "onnxruntime")
    assert answer["latency_ms"] < answer["latency_bound_ms"]


def test_every_network_is_measured_on_each_occasion_but_those_that_fail(folder, tmp_path):
    generator = answer_from_measurements(experiment(folder, "Clock"), tmp_path / "generator", seconds=1)
    table = generator.candidates.devices["clock"]
    # occasions 1 to 4 say 2, 4, 8 and 16 times the width: the geometric mean is sqrt(4 · 8) times
    np.testing.assert_allclose(table.expected[:2], np.sqrt(32) * np.array([2, 8]))
    assert table.excluded.tolist() == [False, False, True]
    assert generator.description["failures"] == ["1 of 3 failed on clock: 1 × too large"]


def test_few_networks_are_measured_on_more_occasions(folder):
    space = create_space("catalog", path=str(folder), networks=["small", "medium"])
    tables = measure_on_occasions(space, "clock", Clock(), space.enumerate(), seconds=1)
    assert len(tables) == 5  # of two readings each


def test_on_an_exact_device_a_value_is_its_own_bound(folder, tmp_path):
    generator = answer_from_measurements(experiment(folder, "Scale"), tmp_path / "generator", seconds=1)
    answer = generator.generate(31.9, confidence=0.999)
    assert (answer.architecture, answer.latency_bound_ms) == ("medium", 8.0)


def test_a_generator_that_learned_nothing_answers_and_refuses_to_adapt(folder, tmp_path):
    answer_from_measurements(experiment(folder, "Scale"), tmp_path / "generator", seconds=1)
    generator = load(tmp_path / "generator")
    assert [answer.architecture for answer in generator.steps()] == ["small", "medium", "large"]
    generator.generate(9.0).export_onnx(tmp_path / "answer.onnx")
    assert (tmp_path / "answer.onnx").read_bytes() == (folder / "medium.onnx").read_bytes()
    with pytest.raises(BundleError, match="measure all networks on the new device too"):
        generator.adapt("phone", {"small": 1.0, "medium": 2.0})


def test_networks_without_an_accuracy_are_left_out(folder, tmp_path, caplog):
    table = tmp_path / "results.csv"
    pd.DataFrame({"model": ["other", "small", "large"], "top1": [99.0, 1.0, 2.0], "img_size": [8, 16, 24]}).to_csv(
        table, index=False
    )
    config = experiment(folder, "Scale").raw
    config["accuracy"] = {"evaluator": "table", "path": str(table), **accuracy_columns(table)}
    generator = answer_from_measurements(parse_config(config), tmp_path / "generator", seconds=1)
    assert generator.candidates.texts == ["small", "large"]
    assert "left out without an accuracy: medium" in caplog.text
    assert "large takes 16 pixels, its accuracy is of 24" in caplog.text
    assert "small takes" not in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a folder of ONNX files, or a section space"),
        (["{empty}"], "found no file *.onnx"),
        (["{folder}", "--accuracies", "{folder}/nothing.csv"], "nothing.csv does not exist"),
        (["{folder}", "--accuracies", "{wrong}"], "expected the columns architecture and accuracy or model and top1"),
        (["{folder}", "--device", "onnxruntim"], 'did you mean "onnxruntime"?'),
    ],
)
def test_a_mistake_is_one_line(folder, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/accuracies.csv").write_text("architecture,accuracy\na,1\n")
    (tmp_path / "wrong.csv").write_text("network,top\na,1\n")
    places = {"empty": tmp_path / "empty", "folder": folder, "wrong": tmp_path / "wrong.csv"}
    monkeypatch.setattr(sys, "argv", ["nagevo", "catalog", *(argument.format(**places) for argument in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_used_is_found_before_anything_is_timed(folder, tmp_path, monkeypatch):
    def damaged(path):
        raise DataError(f"{path} cannot be read")

    monkeypatch.setattr("nagevo.spaces.onnx_graph.memory_of_file", damaged)
    monkeypatch.setattr(Clock, "measure", lambda *_: pytest.fail("it was timed"))
    with pytest.raises(DataError, match=r"small\.onnx cannot be read"):
        answer_from_measurements(experiment(folder, "Clock"), tmp_path / "generator", seconds=1)


def test_a_table_of_other_columns_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("model,accuracy\na,1\n")
    with pytest.raises(DataError, match=r"got model, accuracy"):
        accuracy_columns(tmp_path / "t.csv")
