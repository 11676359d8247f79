import json
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import yaml

from nagevo.cli.lut import run
from nagevo.foundation.errors import ConfigError, DeviceError
from nagevo.measure.latency.block_table import read_block_table
from nagevo.measure.latency.lookup import LookupDevice
from nagevo.measure.latency.lut import measure_blocks, parts
from nagevo.measure.latency.table import TableDevice
from nagevo.measure.latency.timing import TimedDevice
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space
from nagevo.spaces.separable.network import SeparableNetwork

SPACE = MobileNetV3Space(resolution=16, channels=1, classes=3, width_multiplier=0.25, divisor=4)


@dataclass(frozen=True, kw_only=True)
class ByParameters(TimedDevice):
    """Take half a millisecond, and one for each thousand parameters; whole networks are ``slowdown`` times slower."""

    slowdown: float = 1.0
    rounds: int = 1
    spread_s: float = 0.0

    @contextmanager
    def opened(self):
        yield self.prepared

    def prepared(self, network, input_shape):
        factor = self.slowdown if isinstance(network, SeparableNetwork) else 1.0
        parameters = sum(parameter.numel() for parameter in network.parameters())
        return lambda: [0.5 + factor * parameters / 1000]


def test_additive_latencies_are_predicted_exactly():
    latencies = measure_blocks(ByParameters(), SPACE, calibration=2, checks=3)
    assert latencies.overhead_ms == 0.5
    assert latencies.scale == pytest.approx(1.0)
    assert latencies.error_percent() == pytest.approx(0.0, abs=1e-9)
    assert len(latencies.checks) == 3


def test_blocks_that_cost_more_in_a_network_are_corrected():
    latencies = measure_blocks(ByParameters(slowdown=1.25), SPACE, calibration=2, checks=3)
    assert latencies.scale == pytest.approx(1.25)
    assert latencies.error_percent() == pytest.approx(0.0, abs=1e-9)
    assert latencies.error_percent("uncorrected_ms") > 1.0


def test_device_lookup_reads_the_written_table(tmp_path):
    device = ByParameters(slowdown=1.25)
    latencies = measure_blocks(device, SPACE, calibration=2, checks=1)
    latencies.write(tmp_path / "lut.yaml")
    choices = SPACE.sample(5, rng=np.random.default_rng(7))
    looked_up = LookupDevice(tmp_path / "lut.yaml").measure(SPACE, choices)
    np.testing.assert_allclose(looked_up["latency_ms"], device.measure(SPACE, choices)["latency_ms"])
    entries = yaml.safe_load((tmp_path / "lut.yaml").read_text())
    assert set(entries) == {*parts(SPACE), "overhead"}
    assert all({"count", "mean", "std"} <= entry.keys() for entry in entries.values())


def test_one_table_serves_architectures_of_all_resolutions_and_widths(tmp_path):
    space = MobileNetV3Space(resolutions=[8, 16], widths=[0.5, 1], channels=1, classes=3, width_multiplier=0.25)
    device = ByParameters()
    measure_blocks(device, space, calibration=2, checks=1).write(tmp_path / "lut.yaml")
    choices = space.sample(5, rng=np.random.default_rng(7))
    looked_up = LookupDevice(tmp_path / "lut.yaml").measure(space, choices)
    np.testing.assert_allclose(looked_up["latency_ms"], device.measure(space, choices)["latency_ms"])


def test_the_parts_of_a_network_fit_together_to_the_whole():
    import torch

    network = SPACE.network(SPACE.extremes()[0]).eval()
    names = list(parts(SPACE))
    images = torch.zeros(2, *SPACE.input_shape)
    shapes = []
    for layer in (network.first_conv, *network.blocks, network.final_expand_layer):
        shapes.append(tuple(images.shape[1:]))
        images = layer(images)
    expected = [shape for _, shape in parts(SPACE).values()]
    assert set(shapes) <= set(expected)
    assert expected[names.index(next(n for n in names if n.startswith("AvgPool")))] == tuple(images.shape[1:])
    for build, shape in parts(SPACE).values():
        assert len(build().eval()(torch.zeros(2, *shape))) == 2


def test_a_part_that_fails_is_named():
    class Picky(ByParameters):
        def prepared(self, network, input_shape):
            if isinstance(network, SeparableNetwork):
                raise RuntimeError("too large")
            return super().prepared(network, input_shape)

    with pytest.raises(DeviceError, match=r"4 of \d+ measurements failed; 2,2,2,2,2:.*: RuntimeError: too large"):
        measure_blocks(Picky(), SPACE, calibration=2, checks=2)


def test_devices_and_spaces_that_cannot_be_split_into_blocks_are_refused(convolution_space):
    with pytest.raises(ConfigError, match="a device that times networks"):
        measure_blocks(TableDevice("t.csv"), SPACE)
    with pytest.raises(ConfigError, match="the space mobilenetv3"):
        measure_blocks(ByParameters(), convolution_space)


def test_the_command_writes_the_table_and_says_how_good_it_is(tmp_path, capsys):
    config = {
        "space": {
            "name": "mobilenetv3",
            "resolution": 16,
            "channels": 1,
            "classes": 3,
            "width_multiplier": 0.25,
            "divisor": 4,
        },
        "devices": {"board": {"backend": f"{__name__}:ByParameters", "slowdown": 1.25}},
    }
    run(json.dumps(config), "board", tmp_path / "lut.yaml", calibration=2, checks=3)
    # Five stages have 9 first and 9 further blocks each; 6 entries are shared by all: 5 · 18 + 6 = 96.
    expected = "96 blocks on board; 3 whole networks are predicted within 0.0 % (median; plain sums of blocks: "
    assert capsys.readouterr().out.startswith(expected)
    assert read_block_table(tmp_path / "lut.yaml")["overhead"] == 0.5
