"""Small residual networks that tests slim, with trained-looking weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions with a shortcut."""

    def __init__(self, given: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(given, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride > 1 or given != width:
            self.shortcut = nn.Sequential(nn.Conv2d(given, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """A stem, three stages of residual blocks, and a classifier: ResNet-20 with three blocks of 16 channels."""

    def __init__(self, blocks: int = 2, width: int = 8, channels: int = 3, classes: int = 10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        layers, given = [], width
        for stage in range(3):
            for number in range(blocks):
                layers.append(Block(given, width * 2**stage, 2 if stage and not number else 1))
                given = width * 2**stage
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(given, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.layers(self.stem(x)).mean((2, 3)))


def resnet(**options) -> ResNet:
    """Return a network whose batch normalization has statistics and factors of its own, as after training."""
    network = ResNet(**options)
    rng = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                tensor.data += 0.2 * torch.randn(tensor.shape, generator=rng)
    return network


def named(name: str, **options) -> ResNet:
    """Return the network of the width that its name ends with, as in ``resnet-4``."""
    return ResNet(width=int(name.rpartition("-")[2]), **options)
