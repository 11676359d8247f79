"""The residual network of the documentation, small, for tests that slim it."""

from __future__ import annotations

import torch
from resnet import ResNet
from torch import nn


def resnet(**options: int) -> ResNet:
    """Return a network whose batch normalization has statistics and factors of its own, as after training."""
    network = ResNet(**{"blocks": 2, "width": 8, **options})
    rng = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                tensor.data += 0.2 * torch.randn(tensor.shape, generator=rng)
    return network


def named(name: str) -> ResNet:
    """Return the network called ``resnet-N``: N channels in the first stage."""
    return resnet(blocks=1, width=int(name.removeprefix("resnet-")))
