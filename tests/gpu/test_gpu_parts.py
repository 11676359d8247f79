"""The parts that are measured on a GPU, each tried on the processor at a tiny size."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import gpu_parts
import gpu_run
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import nagevo.measure.latency.torch as torch_device
from nagevo.foundation.tables import write_table
from nagevo.spaces import create_space

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder as DATA has to be: made-up images of ten classes, and a made-up table of cells."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    (folder / "cifar10").mkdir()
    images = []
    for label in range(120):
        file = io.BytesIO()
        pixels = rng.integers(0, 60, (32, 32, 3), dtype=np.uint8) + np.uint8(15 * (label % 10))
        Image.fromarray(pixels).save(file, "PNG")
        images.append({"bytes": file.getvalue()})
    pd.DataFrame({"image": images, "label": np.arange(120) % 10}).to_parquet(folder / "cifar10" / "train.parquet")
    space = create_space("nasbench201", merge_equal=False)
    cells = space.enumerate()
    table = pd.DataFrame({"architecture": space.to_text(cells), "latency_ms_gold_6240": 1.0 + cells.sum(axis=1)})
    for split in ("valid", "test"):
        table[f"cifar100_{split}_accuracy"] = rng.uniform(50, 73, len(cells))
    write_table(table, folder / "nasbench201.parquet")
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Return the folder that the parts share."""
    return tmp_path_factory.mktemp("work")


def run(number, data, work, out):
    """Run a part at its tiny size; return its exit code and what it wrote."""
    code = gpu_run.main([str(number), str(data), str(work), str(out), "60", "tiny"])
    path = out / f"part{number}.json"
    return code, json.loads(path.read_text()) if path.exists() else None


def test_part_3_tells_how_far_occasions_differ(data, work, tmp_path):
    code, found = run(3, data, work, tmp_path)
    assert (code, found["finished"]) == (0, True)
    (setting,) = found["timing"]
    assert len(setting["latency_ms"]) == 3
    assert 0 <= setting["spread_percent"]["stated"]["median"] <= setting["spread_percent"]["stated"]["most"]


def test_part_2_promises_and_measures_and_part_4_searches_with_energies(data, work, tmp_path, monkeypatch):
    code, found = run(2, data, work, tmp_path)
    assert (code, found["finished"], found["evaluations"]) == (0, True, 8)
    assert all(row["measured_ms"] > 0 for row in found["latencies"])
    assert {"promised", "test", "test_before"} <= set(found["accuracies"][0])
    monkeypatch.setattr(torch_device, "PowercapCounter", lambda: lambda: 1000 * time.monotonic())  # one watt
    code, found = run(4, data, work, tmp_path)
    assert (code, found["finished"]) == (0, True)
    assert len(found["energy_mj"]) == 3
    assert found["frontier"]
    assert found["monas_frontier"]


def test_part_1_searches_what_there_is_time_for_and_the_rest_in_the_next_run(data, work, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_parts, "STARTING_S", 1000.0)  # so that there is never time for more than one
    code, found = run(1, data, work, tmp_path)
    assert (code, found["finished"]) == (1, False)
    assert [row["method"] for row in found["cells"]] == ["gaea"]
    assert "there was no time for [('na_darts', 0)]" in capsys.readouterr().out
    code, found = run(1, data, work, tmp_path)
    assert (code, found["finished"]) == (0, True)
    assert [row["method"] for row in found["cells"]] == ["gaea", "na_darts"]
    assert all(50 <= row["test_accuracy"] <= found["best"] for row in found["cells"])


def test_part_5_compares_ways_to_train(data, work, tmp_path):
    code, found = run(5, data, work, tmp_path)
    assert (code, found["finished"]) == (0, True)
    speeds = [row["images_per_s"] for row in found["mixture"] + found["supernet"]]
    assert min(speeds) > 0
    assert all(row["share_of_peak"] > 0 for row in found["supernet"])


def test_a_part_that_cannot_run_says_why_and_keeps_what_it_has(data, tmp_path, capsys):
    code, found = run(4, data, tmp_path / "empty", tmp_path)
    assert (code, found) == (1, None)
    assert "part 4: unfinished: DataError: there is no supernet" in capsys.readouterr().out


def test_a_part_without_its_packages_says_which(data, tmp_path, capsys, monkeypatch):
    def missing(part):
        raise ModuleNotFoundError("No module named 'moocore'", name="moocore")

    monkeypatch.setitem(gpu_parts.PARTS, 3, missing)
    assert run(3, data, tmp_path, tmp_path) == (1, None)
    assert "part 3: not run: No module named 'moocore'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected DATA OUT [tiny], got nothing"),
        (["{}", "{}/out", "small"], "expected DATA OUT [tiny], got {} {}/out small"),
        (["{}/absent", "{}/out"], "DATA: expected a folder, got {}/absent"),
        (["{}", "{}/file"], "OUT: expected a folder that can be written to, got {}/file"),
    ],
)
def test_the_script_refuses_what_it_cannot_work_with_in_a_line(tmp_path, arguments, message):
    (tmp_path / "file").touch()
    given, expected = ([text.replace("{}", str(tmp_path)) for text in texts] for texts in (arguments, [message]))
    call = ["bash", str(Path(gpu_run.__file__).with_name("run.sh")), *given]
    result = subprocess.run(
        call, env=os.environ | {"PYTHON": sys.executable}, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (2, f"run.sh: {expected[0]}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '"text"'])
def test_damaged_results_of_an_earlier_run_are_named_and_kept(data, tmp_path, capsys, text):
    (tmp_path / "part3.json").write_text(text)
    assert gpu_run.main(["3", str(data), str(tmp_path), str(tmp_path), "60", "tiny"]) == 1
    assert f"part 3: unfinished: DataError: file {tmp_path}/part3.json is not" in capsys.readouterr().out
    assert (tmp_path / "part3.json").read_text() == text


def test_the_script_runs_only_what_is_not_finished(data, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for number in (1, 2, 4, 5):
        (out / f"part{number}.json").write_text('{"finished": true}')
    script = str(Path(gpu_run.__file__).with_name("run.sh"))
    environment = os.environ | {"PYTHON": sys.executable, "WORK": str(tmp_path / "work")}
    call = ["bash", script, str(data), str(out), "tiny"]
    result = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "part 2: finished before" in result.stdout
    assert result.stdout.endswith("all parts are finished\n")
    assert json.loads((out / "part3.json").read_text())["finished"]
    assert len(list(out.iterdir())) == 6  # five parts and the log
