"""One architecture of the MobileNetV3 space as a plain torch module.

The parts are named so that a state dict of Once-for-All maps onto them by renaming: ``first_conv``, ``blocks.i``
(``inverted_bottleneck``, ``depth_conv``, ``squeeze_excite``, ``point_linear``), ``final_expand_layer``,
``feature_mix_layer``, ``classifier``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nagevo.spaces.mobilenetv3 import Block, Layout


class Conv(nn.Sequential):
    """Convolution with "same" padding, batch normalization and, where named, an activation."""

    def __init__(
        self, in_width: int, out_width: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, activation: str = ""
    ):
        super().__init__()
        self.conv = nn.Conv2d(in_width, out_width, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out_width)
        if activation:
            self.act = activation_module(activation)


def activation_module(name: str) -> nn.Module:
    """Return the activation called ``relu`` or ``hswish``."""
    return nn.ReLU(inplace=True) if name == "relu" else nn.Hardswish(inplace=True)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from the means of all channels.

    References
    ----------
    Howard et al. 2019, "Searching for MobileNetV3", section 5.3: hard sigmoid as the gate.
    """

    def __init__(self, width: int, squeeze_width: int):
        super().__init__()
        self.reduce = nn.Conv2d(width, squeeze_width, 1)
        self.expand = nn.Conv2d(squeeze_width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = x.mean((2, 3), keepdim=True)  # (batch, width, 1, 1)
        return x * functional.hardsigmoid(self.expand(functional.relu(self.reduce(pooled))))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; add the input where the shapes agree."""

    def __init__(self, block: Block):
        super().__init__()
        hidden = block.hidden_width
        self.inverted_bottleneck = (
            Conv(block.in_width, hidden, activation=block.activation) if block.expands else nn.Identity()
        )
        self.depth_conv = Conv(
            hidden, hidden, block.kernel, stride=block.stride, groups=hidden, activation=block.activation
        )
        self.squeeze_excite = SqueezeExcite(hidden, block.squeeze_width) if block.squeeze_width else nn.Identity()
        self.point_linear = Conv(hidden, block.out_width)
        self.has_shortcut = block.has_shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.depth_conv(self.inverted_bottleneck(x))  # (batch, hidden, height / stride, width / stride)
        out = self.point_linear(self.squeeze_excite(out))  # (batch, out, height / stride, width / stride)
        return x + out if self.has_shortcut else out


class MobileNetV3(nn.Module):
    """The network of one layout, from images (batch, channels, height, width) to logits (batch, classes)."""

    def __init__(self, layout: Layout):
        super().__init__()
        self.first_conv = Conv(layout.channels, layout.stem_width, 3, stride=layout.stem_stride, activation="hswish")
        self.blocks = nn.Sequential(*map(InvertedResidual, layout.blocks))
        self.final_expand_layer = Conv(layout.blocks[-1].out_width, layout.head_width, activation="hswish")
        self.feature_mix_layer = nn.Conv2d(layout.head_width, layout.feature_width, 1, bias=False)
        self.dropout = nn.Dropout(layout.dropout)
        self.classifier = nn.Linear(layout.feature_width, layout.classes)
        self.apply(initialize)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.final_expand_layer(self.blocks(self.first_conv(images)))  # (batch, head, height, width)
        x = self.feature_mix_layer(x.mean((2, 3), keepdim=True))  # (batch, features, 1, 1)
        return self.classifier(self.dropout(functional.hardswish(x).flatten(1)))


def initialize(module: nn.Module) -> None:
    """Draw the initial weights of a layer: He normal by fan-out for convolutions, normal for the classifier.

    References
    ----------
    He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", equation 14 (the backward case).
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
