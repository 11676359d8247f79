"""Milliseconds of the layers of a network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nagevo.foundation.errors import DeviceError
from nagevo.measure.latency import create_device
from nagevo.measure.latency.layers import OUTSIDE, layers_table, onnxruntime_layers, timed_modules
from nagevo.spaces import create_space

SPACE = create_space("nasbench201", width=4, cells=1, resolution=8, channels=1, classes=3)


def node(name: str, us: float, operator: str = "Conv", provider: str = "CPUExecutionProvider"):
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "dur": us,
        "args": {"op_name": operator, "provider": provider},
    }


def test_a_layer_takes_the_median_of_its_sums_over_the_runs():
    run = {"cat": "Session", "name": "model_run", "dur": 1}
    warm = [node("a", 90_000), node("b", 90_000, "Add"), node("a", 90_000), run]
    # a runs twice in each run: 1 + 2, 3 + 4 and 5 + 6 ms; b takes 1, 2 and 9 ms
    runs = [
        [node("a", 1000 * i), node("b", 1000 * b, "Add", "Other"), node("a", 1000 * (i + 1)), run]
        for i, b in ((1, 1), (3, 2), (5, 9))
    ]
    first, second = onnxruntime_layers([*warm, *(event for events in runs for event in events)], warmup=1)
    assert (first.layer, first.operator, first.place, first.ms) == ("a", "Conv", "CPUExecutionProvider", 7.0)
    assert (second.operator, second.place, second.ms) == ("Add", "Other", 2.0)


class Twice(nn.Module):
    """Calls one layer twice, another never, and a function."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, inputs):
        return torch.relu(self.used(self.used(inputs)))


def test_modules_are_timed_and_the_rest_is_outside_of_them():
    network = Twice().eval()
    with timed_modules(network, gpu=False) as layers:
        for _ in range(4):
            network(torch.zeros(1, 8))
    used, outside = measured = layers(1)
    assert (used.layer, used.operator, used.place, outside.layer) == ("used", "Linear", "cpu", OUTSIDE)
    assert used.ms > 0
    assert outside.ms > 0
    network(torch.zeros(100_000, 8))  # is not timed any more
    assert layers(1) == measured


@pytest.mark.parametrize(("backend", "place"), [("onnxruntime", "CPUExecutionProvider"), ("torch", "cpu")])
def test_devices_profile_the_layers_of_an_architecture(backend, place):
    device = create_device(backend)
    table = layers_table(device.layers(SPACE, SPACE.extremes()[1]))
    assert {"layer", "operator", "place", "ms"} == set(table.columns)
    assert len(table) > 10
    assert device.place == place
    assert set(table["place"]) == {place}


def test_a_device_without_a_profile_says_so():
    with pytest.raises(DeviceError, match="no profile of layers"):
        create_device("onnx_file").layers(SPACE, SPACE.extremes()[0])
