"""What every device promises; a new backend is tested by adding its options here."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nagevo.foundation.errors import ConfigError
from nagevo.measure.latency import BACKENDS, create_device
from nagevo.measure.latency.lookup import block_name, end_names
from nagevo.spaces import create_space
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

SPACE = MobileNetV3Space(resolution=8, channels=1, classes=2, width_multiplier=0.25, divisor=4)
BENCHMARK = Path(__file__).parents[2] / "resources/devices/onnx_benchmark.py"
QUICK = {"rounds": 2, "runs": 3, "spread_s": 0.0}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Return a folder with a table of two architectures and a table of blocks."""
    folder = tmp_path_factory.mktemp("tables")
    rows = {"architecture": SPACE.to_text(SPACE.extremes()), "latency_ms": [1.0, 4.0]}
    pd.DataFrame(rows).to_parquet(folder / "latencies.parquet")
    names = [name for _, layout in SPACE.ends() for name in end_names(layout)]
    names += [block_name(block, size) for _, _, block, size in SPACE.slot_blocks()]
    (folder / "blocks.yaml").write_text(yaml.safe_dump({name: {"mean": 0.1} for name in names}))
    return folder


def options(backend, tables):
    """Return the options with which the contract is checked; an empty dictionary stands for the defaults."""
    return {
        "torch": QUICK,
        "onnxruntime": QUICK,
        "command": {"command": f"{sys.executable} {BENCHMARK} {{model}} --bursts 2", "rounds": 1},
        "table": {"path": str(tables / "latencies.parquet")},
        "lookup": {"path": str(tables / "blocks.yaml")},
    }.get(backend, {})


SLOW = {"command", "onnx_file"}
"""Backends that begin a process or export a network: seconds for each test."""


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in sorted(BACKENDS)])
def case(request, tables, convolution_space):
    """Return a device of each backend in turn, a space it knows, and two architectures, the dearer one first."""
    space, pair = SPACE, SPACE.extremes()[::-1]
    if request.param == "onnx_file":  # an export of the other networks takes five seconds
        space, pair = convolution_space, np.array([[1], [0]], dtype=np.int8)
    if request.param == "nasbench_graph":
        pytest.importorskip("nas_bench_graph", reason="the optional package nas-bench-graph is not installed")
        space = create_space("nasbench_graph")
        pair = by_latency(create_device("nasbench_graph"), space, space.sample(20, rng=np.random.default_rng(0)))[
            [-1, 0]
        ]
    return create_device(request.param, **options(request.param, tables)), space, pair


def by_latency(device, space, choices):
    """Return those architectures that the device knows, the fastest first."""
    latency_ms = device.measure(space, choices)["latency_ms"].to_numpy()
    return choices[np.argsort(latency_ms)[: np.isfinite(latency_ms).sum()]]


def test_rows_come_in_the_order_asked_with_positive_latencies(case):
    device, space, pair = case
    rows = device.measure(space, pair)
    assert rows.index.tolist() == [0, 1]
    assert rows["status"].tolist() == ["ok", "ok"]
    assert rows[device.measures].dtype == float
    assert rows[device.measures][0] > rows[device.measures][1] > 0


@pytest.mark.parametrize(
    "backend", ["torch", "onnxruntime", *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(SLOW))]
)
def test_a_network_that_cannot_be_built_is_a_row_with_a_status(backend, tables, convolution_space):
    device = create_device(backend, **options(backend, tables))
    rows = device.measure(convolution_space, np.array([[0], [2]], dtype=np.int8))
    assert rows["status"].tolist() == ["ok", "MemoryError: out of memory"]
    assert np.isfinite(rows[device.measures]).tolist() == [True, False]


def test_nothing_asked_is_nothing_answered(case):
    device, space, pair = case
    rows = device.measure(space, pair[:0])
    assert len(rows) == 0
    assert {device.measures, "status"} <= set(rows.columns)


def test_an_exact_device_repeats_itself(case):
    device, space, pair = case
    if not device.exact:
        pytest.skip("the device times real runs")
    first, second = (device.measure(space, pair) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_timed_statistics_are_in_order(case):
    device, space, pair = case
    if device.exact:
        pytest.skip("the device reads a table")
    rows = device.measure(space, pair[:1]).iloc[0]
    assert 0 < rows["min"] <= rows["median"] <= rows["p95"]
    assert rows["dispersion_percent"] >= 0
    assert 0 < rows["latency_ms"] <= rows["p95"]
    assert len(rows["runs"]) == rows["bursts"] * len(rows["runs"]) // rows["bursts"]
    assert len(rows["references"]) == 2 * rows["bursts"]  # the smallest and the largest


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_an_unknown_option_is_an_error_that_names_it(backend, tables):
    if backend == "nasbench_graph":
        pytest.importorskip("nas_bench_graph", reason="the optional package nas-bench-graph is not installed")
    with pytest.raises(ConfigError, match="turbo"):
        create_device(backend, **options(backend, tables), turbo=True)
