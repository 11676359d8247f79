"""The documentation: what it shows is what is there, and runs as written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml

from nagevo.experiment.config import parse_config

DOCS = Path(__file__).parents[2] / "docs"


def blocks(name: str, language: str) -> list[str]:
    """Return the code blocks of a page in their order."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)


def test_the_page_on_spaces_shows_an_example_that_keeps_its_promises(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "examples")
    shown, check = blocks("spaces.md", "python")
    assert shown == (DOCS / "examples/mixer.py").read_text()
    namespace = {}
    exec(check, namespace)
    namespace["test_mixers_keep_the_promises_of_a_space"]()


def test_the_config_on_the_page_on_spaces_is_an_experiment(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "examples")
    elastic, precise, windows, recurrent, text = blocks("spaces.md", "yaml")
    sections = {"accuracy": {"evaluator": "ofa_predictor", "path": "p.pth"}, "devices": {"cpu": {"backend": "torch"}}}
    assert parse_config(sections | yaml.safe_load(elastic)).create_space().resolutions == (128, 160, 192, 224)
    space = parse_config(sections | yaml.safe_load(precise)).create_space()
    assert space.to_text(space.extremes())[0].endswith("@int8")
    space = parse_config(sections | yaml.safe_load(windows)).create_space()
    assert space.costs(space.extremes())["parameters"].tolist() == [3022, 42526]
    assert space.costs(space.extremes())["macs"].tolist() == [23712, 5139840]
    assert parse_config(sections | yaml.safe_load(recurrent)).create_space().size == 11586
    space = parse_config(yaml.safe_load(text)).create_space()
    assert (type(space).__name__, space.patch, space.width) == ("MixerSpace", 4, 32)


def test_the_page_on_accuracies_shows_an_evaluator_that_works(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(DOCS / "examples")
    (shown,) = blocks("accuracies.md", "python")
    assert shown == (DOCS / "examples/program.py").read_text()
    *_, text = blocks("accuracies.md", "yaml")
    program = tmp_path / "accuracy.sh"
    program.write_text('#!/bin/sh\ncase "$1" in 4-8) echo 71.5;; *) echo "no such network";; esac\n')
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    experiment = parse_config(yaml.safe_load(text))
    space = experiment.create_space()
    scores = experiment.create_evaluator(space).evaluate(space.from_text(["4-8", "16-32"]))
    assert scores["accuracy"].tolist()[0] == 71.5
    assert scores["status"].tolist() == ["ok", "./accuracy.sh printed 'no such network'"]


def test_the_page_on_devices_shows_a_device_that_works(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "examples")
    (shown,) = blocks("devices.md", "python")
    assert shown == (DOCS / "examples/simulator.py").read_text()
    (text,) = (text for text in blocks("devices.md", "yaml") if "simulator" in text)
    sections = {"space": {"name": "mobilenetv3"}, "accuracy": {"evaluator": "table", "path": "t.csv", "column": "a"}}
    experiment = parse_config(sections | yaml.safe_load(text))
    space = experiment.create_space()
    smallest, largest = space.extremes()
    rows = experiment.device("accelerator").create().measure(space, np.stack([smallest, largest]))
    costs = space.costs(largest[None])
    expected = costs["macs"][0] / 2e6 + costs["parameters"][0] / 5e5
    assert rows["latency_ms"].tolist()[1] == pytest.approx(expected)
    assert rows["latency_ms"][0] < rows["latency_ms"][1]


def test_the_config_sections_on_the_page_on_accuracies_are_valid():
    texts = blocks("accuracies.md", "yaml")
    assert len(texts) == 5
    for text in texts[:3]:
        sections = {"space": {"name": "mobilenetv3"}, "devices": {"cpu": {"backend": "torch"}}} | yaml.safe_load(text)
        parse_config(sections)


def test_the_page_on_python_runs_as_written(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for block in blocks("python.md", "python"):
        exec(block, namespace)
    assert len(namespace["table"]) == 10
    assert namespace["answer"] == namespace["best"]
    assert namespace["logits"].shape == (1, 10)
    assert namespace["difference"] < 1e-4
    assert onnxruntime.InferenceSession(tmp_path / "net.onnx").get_inputs()[0].shape == [1, 1, 16, 16]
