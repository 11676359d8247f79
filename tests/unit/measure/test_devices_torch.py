import numpy as np
import pytest
import torch

from nagevo.foundation.errors import ConfigError, DeviceError
from nagevo.measure.latency import create_device
from nagevo.measure.latency.torch import TorchDevice

QUICK = {"rounds": 3, "runs": 5, "spread_s": 0.0}


def test_a_wider_network_takes_longer(convolution_space):
    # 64 channels on 512 images are 16 times the work of 4 channels.
    rows = TorchDevice(batch=512, **QUICK).measure(convolution_space, np.array([[1], [0]], dtype=np.int8))
    assert rows["latency_ms"][0] > 2 * rows["latency_ms"][1] > 0


def test_networks_run_in_eval_and_inference_mode_on_the_threads_asked():
    seen = set()

    class Probe(torch.nn.Module):
        def forward(self, images):
            seen.add((tuple(images.shape), self.training, torch.is_inference_mode_enabled(), torch.get_num_threads()))

    before = torch.get_num_threads()
    TorchDevice(batch=3, threads=2, **QUICK).time_networks([Probe], [(1, 4, 5)])
    assert seen == {((3, 1, 4, 5), False, True, 2)}
    assert torch.get_num_threads() == before


def test_channels_last_reaches_images_and_weights():
    strides = []

    class Probe(torch.nn.Conv2d):
        def forward(self, images):
            strides.append((images.stride(), self.weight.stride()))

    TorchDevice(channels_last=True, rounds=1, runs=1, warmup=0).time_networks([lambda: Probe(2, 3, 3)], [(2, 4, 4)])
    # Channels innermost: stride 1 for 2 channels, 2 for columns, 8 for rows of 4 (images), 6 for rows of 3 (weights).
    assert strides == [((32, 1, 8, 2), (18, 1, 6, 2))]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_the_processor_cuda_cannot_be_opened(convolution_space):
    with pytest.raises(DeviceError, match="processor cuda: torch finds no GPU"):
        create_device("torch", processor="cuda").measure(convolution_space, convolution_space.extremes())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_is_timed_by_its_events(convolution_space):
    choices = np.array([[1], [0]], dtype=np.int8)
    rows = TorchDevice(processor="cuda", batch=4096, **QUICK).measure(convolution_space, choices)
    assert rows["latency_ms"][0] > 2 * rows["latency_ms"][1] > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_replayed_graph_takes_less_time_than_launching_its_kernels(convolution_space):
    choices = convolution_space.extremes()[:1]
    launched, replayed = (
        TorchDevice(processor="cuda", cuda_graphs=graphs, **QUICK).measure(convolution_space, choices)
        for graphs in (False, True)
    )
    assert 0 < replayed["latency_ms"][0] < launched["latency_ms"][0]


def test_a_graph_on_the_processor_is_refused():
    with pytest.raises(ConfigError, match="cuda_graphs: expected processor cuda, got cpu"):
        create_device("torch", cuda_graphs=True)


def test_an_unknown_processor_is_an_error():
    with pytest.raises(ConfigError, match="processor: expected one of cpu, cuda"):
        create_device("torch", processor="gpu")
