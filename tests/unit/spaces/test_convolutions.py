"""Convolutions whose gradients torch gets wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from nagevo.spaces.convolutions import safe_gradients

GRADIENTS = """
import torch
from torch import nn
from nagevo.spaces.convolutions import safe_gradients
torch.set_num_threads(1)
network = nn.Sequential(nn.Conv2d(4, 8, 1, stride=2, bias=False)).to(memory_format=torch.channels_last)
with safe_gradients(network):
    for _ in range(20):
        inputs = torch.randn(16, 4, 28, 28, requires_grad=True)
        network(inputs.contiguous(memory_format=torch.channels_last)).square().sum().backward()
"""


@pytest.mark.slow
def test_gradients_of_few_channels_do_not_end_the_process():
    assert subprocess.run([sys.executable, "-c", GRADIENTS], check=False).returncode == 0


def test_only_strided_pointwise_convolutions_read_channel_by_channel():
    strided, plain = nn.Conv2d(4, 8, 1, stride=2), nn.Conv2d(4, 8, 3, stride=2)
    network = nn.ModuleList([strided, plain])
    inputs = torch.randn(2, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    expected = strided(inputs)
    channels_read_alone = []
    for module in network:
        module.register_forward_hook(lambda _, read, output: channels_read_alone.append(read[0].is_contiguous()))
    with safe_gradients(network):
        torch.testing.assert_close(strided(inputs), expected)
        plain(inputs)
    strided(inputs)
    assert channels_read_alone == [True, False, False]
