import numpy as np
import pytest
import torch

from nagevo.foundation.errors import DeviceError
from nagevo.measure.latency.onnxruntime import ONNXRuntimeDevice

QUICK = {"rounds": 3, "runs": 5, "spread_s": 0.0}


def test_a_wider_network_takes_longer(convolution_space):
    # 64 channels on 512 images are 16 times the work of 4 channels.
    rows = ONNXRuntimeDevice(batch=512, **QUICK).measure(convolution_space, np.array([[1], [0]], dtype=np.int8))
    assert rows["latency_ms"][0] > 2 * rows["latency_ms"][1] > 0


def test_a_network_that_onnx_cannot_express_is_a_row_with_a_status(convolution_space):
    class Inexpressible(torch.nn.Module):
        def forward(self, images):
            return torch.linalg.eigvals(images)

    rows = ONNXRuntimeDevice(**QUICK).time_networks(
        [Inexpressible, lambda: convolution_space.network([0])], [(8, 8), (1, 8, 8)]
    )
    assert "eigvals" in rows["status"][0]
    assert np.isnan(rows["latency_ms"][0])
    assert rows["status"][1] == "ok"


def test_a_network_that_is_timed_stays_as_it_is():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten())
    rows = ONNXRuntimeDevice(**QUICK).time_networks([lambda: network], [(1, 8, 8)])
    assert rows["status"].tolist() == ["ok"]
    assert isinstance(network[1], torch.nn.BatchNorm2d)


def test_an_absent_provider_cannot_be_opened(convolution_space):
    with pytest.raises(DeviceError, match=r"provider RocketProvider is not in this onnxruntime; it has .*CPUExecution"):
        ONNXRuntimeDevice(provider="RocketProvider").measure(convolution_space, convolution_space.extremes())
