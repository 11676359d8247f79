"""Networks by name: ONNX files of a folder, and networks that a function builds."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from torch import nn

from nagevo.deploy.export import export_onnx
from nagevo.foundation.errors import ConfigError
from nagevo.measure.accuracy import create_evaluator
from nagevo.spaces import create_space
from nagevo.testing import check_space

WIDTHS = {"wide": 32, "narrow": 2, "middle": 8}


def network(name: str, *, classes: int = 3) -> nn.Module:
    """A network of the width that its name says."""
    width = WIDTHS[name]
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name in WIDTHS:
        export_onnx(network(name), (1, 8, 8), folder / f"{name}.onnx")
    (folder / "README.md").write_text("three networks")
    return folder


def test_the_ending_of_a_file_may_be_in_capitals(folder, tmp_path):
    for path in folder.glob("*.onnx"):
        (tmp_path / f"{path.stem}.ONNX").write_bytes(path.read_bytes())
    assert create_space("catalog", path=tmp_path).names == create_space("catalog", path=folder).names


def test_files_of_a_folder_are_architectures_the_smallest_first(folder):
    space = create_space("catalog", path=str(folder))
    assert space.to_text(space.enumerate()) == ["narrow", "middle", "wide"]
    assert space.input_shape_of(space.enumerate()[0]) == (1, 8, 8)
    # weights of the convolution (9 w + w) and of the classifier (3 w + 3)
    assert space.costs(space.enumerate())["parameters"].tolist() == [13 * w + 3 for w in (2, 8, 32)]
    assert space.onnx_file(space.from_text(["wide"])[0]) == folder / "wide.onnx"


def test_named_networks_are_built_by_a_function():
    space = create_space(
        "catalog", build="test_catalog:network", networks=list(WIDTHS), options={"classes": 5}, input_shape=[1, 8, 8]
    )
    row = space.from_text(["middle"])[0]
    assert space.network(row)(torch.zeros(2, 1, 8, 8)).shape == (2, 5)
    assert space.onnx_file(row) is None
    check_space(space)


def test_a_table_of_accuracies_may_list_more_networks_than_the_catalog(folder, tmp_path):
    pd.DataFrame({"model": ["wide", "other", "narrow"], "top1": [80.5, 99.0, 60.0]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    space = create_space("catalog", path=str(folder))
    evaluator = create_evaluator("table", space, path=str(tmp_path / "t.csv"), column="top1", texts="model")
    values = evaluator.evaluate(space.enumerate())["accuracy"].to_numpy()
    np.testing.assert_array_equal(values, [60.0, np.nan, 80.5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected either path"),
        ({"path": "absent"}, "expected a folder of ONNX files, got absent"),
        ({"path": "{folder}", "networks": ["wide", "huge"]}, "has no huge.onnx"),
        ({"path": "{folder}", "networks": ["wide"]}, "expected at least 2 networks, got 1"),
        ({"build": "test_catalog:network"}, "expected networks"),
        ({"build": "test_catalog:network", "networks": ["wide", "wide"], "input_shape": [1, 8, 8]}, "different names"),
    ],
)
def test_a_catalog_that_cannot_be_read_is_one_clear_line(folder, options, message):
    if "path" in options:
        options["path"] = options["path"].format(folder=folder)
    with pytest.raises(ConfigError, match=message):
        create_space("catalog", **options)


def test_a_file_that_is_no_model_is_named(folder, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.onnx").write_bytes(b"no model")
    with pytest.raises(ConfigError, match=r"a\.onnx is not an ONNX model"):
        create_space("catalog", path=str(tmp_path)).input_shape  # noqa: B018


def test_a_file_is_no_torch_network(folder):
    space = create_space("catalog", path=str(folder))
    with pytest.raises(ConfigError, match="is an ONNX file, no torch network"):
        space.network(space.extremes()[0])


def test_what_is_not_known_of_every_file_cannot_be_limited(folder, tmp_path):
    for path in folder.glob("*.onnx"):
        shutil.copy(path, tmp_path)
    given = onnx.load(tmp_path / "wide.onnx")
    given.graph.node[0].domain = "com.microsoft"  # its outputs have any shape
    del given.graph.value_info[:]
    onnx.save(given, tmp_path / "wide.onnx")
    space = create_space("catalog", path=str(tmp_path))
    assert set(space.needs(space.from_text(["narrow"]))) == {"parameters", "weights_kb"}
