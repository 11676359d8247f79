"""Memory of activations and of weights: by hand on small graphs, and against exported graphs."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nagevo.deploy.export import onnx_for_timing
from nagevo.spaces import create_space
from nagevo.spaces.memory import Memory
from nagevo.spaces.onnx_graph import memory_of_model
from nagevo.spaces.traced import memory_of

SMALL = {
    "dag": {"width": 4, "resolution": 9, "channels": 1, "classes": 3, "nodes": 5, "cells": 2},
    "mobilenetv3": {"resolution": 31, "channels": 1, "classes": 3, "width_multiplier": 0.25, "divisor": 4},
    "mobilenetv3_small": {"resolution": 16, "channels": 1, "classes": 3, "divisor": 4},
    "nasbench201": {"width": 4, "cells": 2, "resolution": 9, "channels": 1, "classes": 3},
}


PLANNED = """
import sys
import numpy as np, onnxruntime as ort
arena = {"arena_extend_strategy": 1, "max_dead_bytes_per_chunk": 1}
least = ["initial_chunk_size_bytes", "initial_growth_chunk_size_bytes", "max_power_of_two_extend_bytes"]
arena |= dict.fromkeys(least, 256)
place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
ort.set_default_logger_severity(1)
ort.create_and_register_allocator(place, ort.OrtArenaCfg(arena | {"max_mem": 0}))
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
options.add_session_config_entry("session.use_env_allocators", "1")
session = ort.InferenceSession(sys.argv[1], options)
given = {each.name: np.zeros(each.shape, np.float32) for each in session.get_inputs()}
emptied = ort.RunOptions()
emptied.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
session.run(None, given, emptied)
print("again", file=sys.stderr, flush=True)
session.run(None, given)
"""
"""Runs a model twice and returns its memory between: the second run begins with the block that is planned for it."""


def model(nodes, weights, output):
    """Return a model from ``inputs``, shape (1, 2, 4, 4), to ``output``."""
    tensors = [helper.make_tensor(n, TensorProto.FLOAT, s, np.ones(s).ravel()) for n, s in weights.items()]
    ends = [("inputs", [1, 2, 4, 4]), (output, None)]
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph([helper.make_node(*node) for node in nodes], "graph", [given], [made], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def test_a_chain_needs_what_its_dearest_operation_reads_and_writes():
    # inputs: 2 · 16 numbers; convolution: 3 · 16; rectifier in place; mean: 3. The most: 32 + 48 numbers of 4 bytes.
    nodes = [("Conv", ["inputs", "w", "b"], ["x"]), ("Relu", ["x"], ["y"]), ("GlobalAveragePool", ["y"], ["z"])]
    found = memory_of_model(model(nodes, {"w": [3, 2, 1, 1], "b": [3]}, "z"))
    assert found == {"peak_memory_kb": 80 * 4 / 1000, "weights_kb": (6 + 3) * 4 / 1000}


def test_a_shortcut_is_kept_until_it_is_added():
    # x: 3 · 16 = 48 numbers stay while a second convolution makes 5 · 16 = 80 of it and a third reads these: the most
    # are 48 + 80 + 48. The sum is written over one of its operands.
    nodes = [
        ("Conv", ["inputs", "first"], ["x"]),
        ("Conv", ["x", "wide"], ["y"]),
        ("Relu", ["y"], ["rectified"]),
        ("Conv", ["rectified", "narrow"], ["z"]),
        ("Add", ["x", "z"], ["sum"]),
    ]
    weights = {"first": [3, 2, 1, 1], "wide": [5, 3, 1, 1], "narrow": [3, 5, 1, 1]}
    found = memory_of_model(model(nodes, weights, "sum"))
    assert found == {"peak_memory_kb": 176 * 4 / 1000, "weights_kb": (6 + 15 + 15) * 4 / 1000}


def test_what_is_read_again_is_not_written_over():
    # The rectifier cannot write over x, which the concatenation reads: 32 (x) + 32 (its rectifier) + 64 (both).
    nodes = [("Relu", ["inputs"], ["x"]), ("Relu", ["x"], ["y"]), ("Concat", ["x", "y"], ["both"])]
    graph = model(nodes, {}, "both")
    graph.graph.node[2].attribute.append(helper.make_attribute("axis", 1))
    assert memory_of_model(graph) == {"peak_memory_kb": 128 * 4 / 1000, "weights_kb": 0.0}


@pytest.mark.parametrize(
    "nodes",
    [
        [("Relu", ["inputs"], ["x"]), ("NhwcMaxPool", ["x"], ["y"])],  # an operator of com.microsoft
        [("NonZero", ["inputs"], ["x"]), ("Cast", ["x"], ["y"])],  # as many as are not zero
        [("Relu", ["inputs"], ["x"]), ("Reshape", ["x", "x"], ["y"]), ("Relu", ["y"], ["z"])],  # of unknown rank
    ],
)
def test_a_peak_that_cannot_be_computed_is_left_out_with_a_warning(nodes, caplog):
    graph = model(nodes, {"w": [3]}, nodes[-1][2][0])
    if nodes[1][0] == "NhwcMaxPool":
        graph.graph.node[1].domain = "com.microsoft"
        graph.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert memory_of_model(graph, "mine.onnx") == {"weights_kb": 3 * 4 / 1000}
    assert re.search(r"mine.onnx: peak_memory_kb is not known, since the size of [xyz] is left open", caplog.text)


def telling(network):
    """Return the network with vectors that exporters neither merge nor leave out: no two are equal, none is zero."""
    rng = torch.Generator().manual_seed(0)
    for module in network.modules():
        for name in ("weight", "bias", "running_mean", "running_var"):
            values = getattr(module, name, None)
            if values is not None and values.ndim == 1:
                values.data.uniform_(0.5, 1.0, generator=rng)
    return network.eval()


@pytest.mark.parametrize("name", SMALL)
def test_computed_memory_is_that_of_the_exported_graph(name):
    space = create_space(name, **SMALL[name])
    rows = np.concatenate([space.extremes()[1:], space.sample(3, rng=np.random.default_rng(0))])
    found = space.memory(rows)
    for number, row in enumerate(rows):
        network, shape = telling(space.network(row)), space.input_shape_of(row)
        exported = memory_of_model(onnx.load_from_string(onnx_for_timing(network, shape)))
        assert exported == memory_of(network, shape) == {name: values[number] for name, values in found.items()}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_computed_memory_is_that_of_a_run(name, precision):
    space = create_space(name, **SMALL[name])
    rows = space.sample(8, rng=np.random.default_rng(2))
    found = space.memory(rows, np.full(len(rows), precision))
    traced = [memory_of(space.network(row), space.input_shape_of(row), precision) for row in rows]
    assert {name: values.tolist() for name, values in found.items()} == {
        name: [row[name] for row in traced] for name in found
    }


@pytest.mark.parametrize("options", [{"blocks": 3}, {}])
def test_memory_of_slimmed_networks_follows_from_few_runs(options):
    pytest.importorskip("torch_pruning")
    space = create_space(
        "slimmed", model="resnets:resnet", options=options, input_shape=[3, 12, 12], round_to=4, resolutions=[8, 12]
    )
    rows = np.concatenate([space.extremes(), space.sample(10, rng=np.random.default_rng(0))])
    precision = np.where(np.arange(len(rows)) % 2, "int8", "fp32")
    found = space.memory(rows, precision)
    for number, row in enumerate(rows):
        traced = memory_of(space.network(row), space.input_shape_of(row), precision[number])
        assert traced == {name: values[number] for name, values in found.items()}


def test_int8_takes_a_quarter_between_a_float_input_and_a_float_output():
    # fp32: 4 · (2 + 8), then 4 · (8 + 2). int8: 4 · 2 + 2 while the input is quantized, 2 + 8, 8 + 2; then 2 + 4 · 2.
    peaks = []
    for precision in ("fp32", "int8"):
        memory = Memory(1, precision)
        hidden = memory.add([memory.input(2)], 8, weights=16, filters=8, biases=8)
        memory.output(memory.add([hidden], 2, weights=16, filters=2), 2)
        costs = memory.costs()
        peaks.append((costs["peak_memory_kb"][0], costs["weights_kb"][0]))
    # weights: 32 numbers and 8 biases; in int8 a scale and a zero point for 10 filters, 12 bytes for a bias
    assert peaks == [(0.04, 0.16), (0.01, (32 + 10 * 5 + 8 * 12) / 1000)]


def test_a_residual_network_of_anybody_is_read_from_one_run():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
            self.second = nn.Conv2d(4, 4, 3, padding=1)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            x = self.first(x)
            return self.head((x + self.second(x)).mean((2, 3)))

    network = telling(Residual())
    exported = memory_of_model(onnx.load_from_string(onnx_for_timing(network, (2, 5, 5))))
    # 100 numbers of x while the convolution makes 100; weights 8 + 4, 144 + 4, 12 + 3
    assert memory_of(network, (2, 5, 5)) == exported == {"peak_memory_kb": 0.8, "weights_kb": 175 * 4 / 1000}


def test_spaces_without_networks_have_no_memory():
    space = create_space("nasbench_graph")
    assert space.memory(space.extremes()) == {}


@pytest.mark.parametrize("name", SMALL)
def test_images_may_be_higher_than_wide(name):
    space = create_space(name, **SMALL[name] | {"resolution": [12, 20]})
    row = space.extremes()[1]
    assert space.input_shape == space.input_shape_of(row) == (1, 12, 20)
    network = telling(space.network(row))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        assert network(torch.zeros(1, 1, 12, 20)).shape == (1, 3)
    assert space.costs(row[None])["macs"].tolist() == [counter.get_total_flops() // 2]
    found = {name: values[0] for name, values in space.memory(row[None]).items()}
    assert memory_of(network, (1, 12, 20)) == found


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_onnxruntime_plans_no_less_and_little_more(name, tmp_path):
    space = create_space(name, **SMALL[name] | {"resolution": 64})
    choices = space.extremes()[-1]
    (tmp_path / "network.onnx").write_bytes(onnx_for_timing(space.network(choices), space.input_shape))
    command = [sys.executable, "-c", PLANNED, str(tmp_path / "network.onnx")]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    planned = int(re.search(r"again.*?Extended allocation by (\d+) bytes", log, re.DOTALL).group(1))
    peak, inputs = 1000 * space.memory(choices[None])["peak_memory_kb"][0], 4 * 64 * 64  # which are the caller's
    assert peak - inputs <= planned <= 2.2 * peak  # it runs fewer operations in place: not hard swish
