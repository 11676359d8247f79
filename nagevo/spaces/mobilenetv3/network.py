"""One architecture of the MobileNetV3 space as a plain torch module.

The parts are named so that a state dict of Once-for-All maps onto them by renaming: ``first_conv``, ``blocks.i``
(``inverted_bottleneck``, ``depth_conv``, ``squeeze_excite``, ``point_linear``), ``final_expand_layer``,
``feature_mix_layer``, ``classifier``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nagevo.spaces.mobilenetv3.depthwise import DepthwiseConv2d
from nagevo.spaces.mobilenetv3.layout import Block, Layout

ACTIVATIONS = {"relu": functional.relu, "hswish": functional.hardswish}


class Activation(nn.Module):
    """The activation of a name in :data:`ACTIVATIONS`, in place."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ACTIVATIONS[self.name](x, inplace=True)

    def extra_repr(self) -> str:
        return self.name


class NormalizedConv(nn.Sequential):
    """A convolution, batch normalization and, where named, an activation."""

    def __init__(self, conv: nn.Conv2d, activation: str = ""):
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(conv.out_channels)
        if activation:
            self.act = Activation(activation)


def pointwise(in_width: int, out_width: int) -> nn.Conv2d:
    """Return a 1×1 convolution without bias."""
    return nn.Conv2d(in_width, out_width, 1, bias=False)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from the means of all channels."""

    def __init__(self, width: int, squeeze_width: int):
        super().__init__()
        self.reduce = nn.Conv2d(width, squeeze_width, 1)
        self.expand = nn.Conv2d(squeeze_width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return excite(x, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias)


def excite(
    x: torch.Tensor,
    reduce: torch.Tensor,
    reduce_bias: torch.Tensor | None,
    expand: torch.Tensor,
    expand_bias: torch.Tensor | None,
) -> torch.Tensor:
    """Return x, shape (batch, width, height, width), with each channel scaled by its gate.

    References
    ----------
    Howard et al. 2019, "Searching for MobileNetV3", section 5.3: hard sigmoid as the gate.
    """
    squeezed = functional.conv2d(x.mean((2, 3), keepdim=True), reduce, reduce_bias)  # (batch, squeeze_width, 1, 1)
    gates = functional.conv2d(functional.relu(squeezed), expand, expand_bias)  # (batch, width, 1, 1)
    return x * functional.hardsigmoid(gates)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; add the input where the shapes agree."""

    def __init__(self, block: Block):
        super().__init__()
        hidden = block.hidden_width
        expansion = NormalizedConv(pointwise(block.in_width, hidden), block.activation)
        self.inverted_bottleneck = expansion if block.expands else nn.Identity()
        self.depth_conv = NormalizedConv(DepthwiseConv2d(hidden, block.kernel, stride=block.stride), block.activation)
        self.squeeze_excite = SqueezeExcite(hidden, block.squeeze_width) if block.squeeze_width else nn.Identity()
        self.point_linear = NormalizedConv(pointwise(hidden, block.out_width))
        self.has_shortcut = block.has_shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.depth_conv(self.inverted_bottleneck(x))  # (batch, hidden, height / stride, width / stride)
        out = self.point_linear(self.squeeze_excite(out))  # (batch, out, height / stride, width / stride)
        return x + out if self.has_shortcut else out


class Layers(nn.Module):
    """The layers of one layout."""

    def __init__(self, layout: Layout):
        super().__init__()
        stem = nn.Conv2d(layout.channels, layout.stem_width, 3, layout.stem_stride, padding=1, bias=False)
        self.first_conv = NormalizedConv(stem, "hswish")
        self.blocks = nn.Sequential(*map(InvertedResidual, layout.blocks))
        head = pointwise(layout.blocks[-1].out_width, layout.head_width)
        self.final_expand_layer = NormalizedConv(head, "hswish")
        self.feature_mix_layer = pointwise(layout.head_width, layout.feature_width)
        self.dropout = nn.Dropout(layout.dropout)
        self.classifier = nn.Linear(layout.feature_width, layout.classes)
        self.apply(initialize)


class MobileNetV3(Layers):
    """The network of one layout, from images (batch, channels, height, width) to logits (batch, classes)."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.dropout(self.features(self.blocks(self.first_conv(images)))))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the classifier sees, shape (batch, features), from the output of the last block."""
        pooled = self.final_expand_layer(x).mean((2, 3), keepdim=True)  # (batch, head, 1, 1)
        return functional.hardswish(self.feature_mix_layer(pooled)).flatten(1)


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
