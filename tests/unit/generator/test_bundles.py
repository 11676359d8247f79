"""Finding bundles, and what is said of folders that are none."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from made_up import learned, measured, run

import nagevo


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "generator"
    learned(measured(20, "exact"), folder)
    return folder


@pytest.fixture
def results(original, tmp_path, monkeypatch):
    """Return a folder with the bundles of two experiments, ``old`` and the later ``new``."""
    for age, name in enumerate(("new", "old")):
        folder = shutil.copytree(original, tmp_path / f"results/{name}/generator")
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"experiment": name}))
        for path in folder.rglob("*"):
            os.utime(path, (path.stat().st_mtime - 3600 * age,) * 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def test_answers_name_the_experiment_that_they_are_from(results, monkeypatch, capsys):
    answer = nagevo.generate(9.0, bundle=results / "old/generator", confidence=0.5)
    assert answer.experiment == "old"
    assert answer.deployment(untrained=True).description["experiment"] == "old"
    asked = ("generate", "--budget", "9", "--confidence", "0.5", "--json")
    assert json.loads(run(monkeypatch, capsys, *asked)[1])["experiment"] == "new"
    assert json.loads(run(monkeypatch, capsys, *asked, "--budget", "0")[1].splitlines()[1])["experiment"] == "new"


def test_a_bundle_that_was_adapted_does_not_become_the_latest(results):
    old = nagevo.load(results / "old/generator")
    old.adapt("board", {text: 3.0 + row for row, text in enumerate(old.probes_for("board"))})
    assert nagevo.load().experiment == "new"
    assert nagevo.generate(9.0, confidence=0.5).experiment == "new"


def test_several_experiments_are_named_where_none_is_chosen(results, caplog, monkeypatch, capsys):
    nagevo.load()
    assert caplog.text.count("results/new/generator answers") == 1
    assert "there are also results/old/generator" in caplog.text
    caplog.clear()
    nagevo.load(results / "old/generator")
    shutil.rmtree(results / "old")
    nagevo.load()
    assert caplog.text == ""


def test_a_generator_that_was_adapted_is_read_again(results):
    folder = results / "new/generator"
    assert nagevo.generate(9.0, bundle=folder, confidence=0.5).device == "exact"
    nagevo.load(folder).adapt("board", dict.fromkeys(nagevo.load(folder).probes_for("board"), 3.0))
    assert nagevo.generate(9.0, bundle=folder, device="board", confidence=0.5).device == "board"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("results", r"it has no manifest\.json; did you mean "),
        ("results/old", r"it has no manifest\.json; did you mean "),
        ("results/old/generators", "does not exist; did you mean "),
        ("results/old/generator/manifest.json", "expected the folder of a bundle, got the file .*; did you mean "),
    ],
)
def test_a_path_beside_a_bundle_is_refused_with_the_bundle(results, name, message):
    with pytest.raises(nagevo.BundleError, match=message) as caught:
        nagevo.load(results.parent / name)
    assert str(results / "old/generator") in str(caught.value)


@pytest.mark.parametrize("name", ["a\0b", "a\0/b", "x" * 300, "x" * 300 + "/b"])
def test_a_path_that_no_file_can_have_does_not_exist(tmp_path, name):
    for load in (nagevo.load, lambda folder: nagevo.generate(1.0, bundle=folder)):
        with pytest.raises(nagevo.BundleError, match="does not exist"):
            load(tmp_path / name)


def test_a_folder_far_from_any_bundle_is_named(tmp_path):
    with pytest.raises(nagevo.BundleError, match=r"is not a bundle: it has no manifest\.json$"):
        nagevo.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 4, "versions": {"nagevo": "0.0.9"}}, "was written by nagevo 0.0.9 and has format 4; this nagevo"),
        ({"format": 4, "versions": None}, r"generator has format 4; this nagevo reads format 7"),
        ({"files": None}, "is not the manifest of a bundle"),
        ({"devices": {}}, "knows no device"),
        ({"devices": {"exact": {}}}, "was not written by this nagevo"),
        ({"space": "dag"}, "space is not of the kind dict"),
    ],
)
def test_a_bundle_of_another_version_or_hand_is_refused(results, change, message):
    path = results / "old/generator/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(nagevo.BundleError, match=message):
        nagevo.load(path.parent)


def test_a_bundle_whose_space_is_not_on_the_path_says_what_to_do(results):
    path = results / "old/generator/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"space": {"name": "sensornet.spaces:Space"}}))
    generator = nagevo.load(path.parent)
    with pytest.raises(nagevo.NagevoError, match="put the module sensornet on PYTHONPATH"):
        generator.generate(9.0, confidence=0.5).network(untrained=True)
