"""Probes as files: exported with an index, measured by hand, and taken back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_up import SPACE, learned, measured, run

from nagevo.deploy.export import run_onnx
from nagevo.deploy.probes import export_probes
from nagevo.foundation.errors import ExportError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probes") / "generator"
    learned(measured(60, "exact"), folder)
    return folder


def test_probes_are_exported_filled_in_and_taken_back(bundle, tmp_path, monkeypatch, capsys):
    probes, folder = tmp_path / "probes.csv", tmp_path / "probes"
    run(monkeypatch, capsys, "adapt", "--device", "phone", "--architectures", str(probes), "--bundle", str(bundle))
    asked = pd.read_csv(probes)
    pd.concat([asked, asked[:1]]).to_csv(probes, index=False)  # one of them twice
    arguments = ("export", "--architectures", str(probes), "--output", str(folder), "--bundle", str(bundle))
    code, _, said = run(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "names 1 networks more than once" in said
    index = pd.read_csv(folder / "index.csv")
    assert index["architecture"].tolist() == asked["architecture"].tolist()
    (logits,) = run_onnx(folder / index["file"][0])(np.zeros((1, 3, 32, 32), dtype=np.float32))
    assert logits.shape == (1, 10)

    taken = ("adapt", "--device", "phone", "--measurements", str(folder / "index.csv"), "--bundle", str(bundle))
    code, _, said = run(monkeypatch, capsys, *taken)
    assert (code, "latency_ms is empty" in said) == (2, True)
    index["latency_ms"] = 3.0 + np.arange(len(index))
    index.to_csv(folder / "index.csv", index=False)
    code, _, said = run(monkeypatch, capsys, *taken)
    assert code == 0, said
    assert f"phone adapted to {len(index)} measurements" in said

    code, _, said = run(monkeypatch, capsys, *arguments)  # what was filled in is not written over
    assert code == 2
    assert "was changed since nagevo wrote it" in said


def test_a_table_without_architectures_is_one_line(bundle, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.csv").write_text("architecture\n")
    arguments = ("--architectures", str(tmp_path / "a.csv"), "--output", str(tmp_path / "o"), "--bundle", str(bundle))
    code, _, said = run(monkeypatch, capsys, "export", *arguments)
    assert (code, "a.csv: expected architectures to export, got none" in said) == (2, True)


def test_an_unknown_architecture_is_one_line(bundle, tmp_path, monkeypatch, capsys):
    (tmp_path / "probes.csv").write_text("architecture\nnonsense\n")
    arguments = ("--architectures", str(tmp_path / "probes.csv"), "--output", str(tmp_path / "o"))
    code, _, said = run(monkeypatch, capsys, "export", *arguments, "--bundle", str(bundle))
    assert code == 2
    assert "row 1: 'nonsense' is not an architecture" in said
    assert not (tmp_path / "o").exists()


def test_what_cannot_be_exported_stands_in_the_index_with_its_reason(tmp_path):
    class Some(type(SPACE)):
        def network(self, choices):
            if choices[0]:
                raise RuntimeError("no such\nnetwork")
            return super().network(choices)

    space = Some(width=4, cells=1, resolution=8)
    smallest, largest = space.extremes()
    index = export_probes(space, np.stack([smallest, largest]), tmp_path / "probes")
    assert index["file"].tolist() == ["0.onnx", ""]
    assert index["status"].isna().tolist() == [True, False]
    assert index["status"][1] == "no such network"
    with pytest.raises(ExportError, match="none of 1 networks can be exported, the first: no such network"):
        export_probes(space, largest[None], tmp_path / "others")


def test_either_a_budget_or_a_network_or_architectures_are_exported(tmp_path, monkeypatch, capsys):
    code, _, said = run(monkeypatch, capsys, "export", "--output", str(tmp_path / "o"))
    assert code == 2
    assert "expected one of --budget, --network and --architectures" in said
