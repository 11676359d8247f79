"""One network of depthwise-separable convolutions as a plain torch module, in one or two dimensions.

The parts are named so that a state dict of Once-for-All maps onto them by renaming: ``first_conv``, ``blocks.i``
(``inverted_bottleneck``, ``depth_conv``, ``squeeze_excite``, ``point_linear``), ``final_expand_layer``,
``feature_mix_layer``, ``classifier``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nagevo.spaces.separable.depthwise import DepthwiseConv1d, DepthwiseConv2d, conv
from nagevo.spaces.separable.layout import Block, Layout

ACTIVATIONS = {"relu": functional.relu, "hswish": functional.hardswish}
CONVOLUTIONS: dict[int, type[nn.Conv1d | nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
DEPTHWISE: dict[int, type[DepthwiseConv1d | DepthwiseConv2d]] = {1: DepthwiseConv1d, 2: DepthwiseConv2d}
NORMALIZATIONS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
"""Layers by the dimensions of what they convolve or normalize."""


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

    def __init__(self, convolution: nn.Conv1d | nn.Conv2d, activation: str = ""):
        super().__init__()
        self.conv = convolution
        self.bn = NORMALIZATIONS[convolution.weight.ndim - 2](convolution.out_channels)
        if activation:
            self.act = Activation(activation)


def pointwise(in_width: int, out_width: int, dims: int, *, bias: bool = False) -> nn.Conv1d | nn.Conv2d:
    """Return a convolution of each position by itself."""
    return CONVOLUTIONS[dims](in_width, out_width, 1, bias=bias)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from the means of all channels."""

    def __init__(self, width: int, squeeze_width: int, dims: int):
        super().__init__()
        self.reduce = pointwise(width, squeeze_width, dims, bias=True)
        self.expand = pointwise(squeeze_width, width, dims, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return excite(x, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias)


def excite(
    x: torch.Tensor,
    reduce: torch.Tensor,
    reduce_bias: torch.Tensor | None,
    expand: torch.Tensor,
    expand_bias: torch.Tensor | None,
) -> torch.Tensor:
    """Return x, shape (batch, width, …), with each channel scaled by its gate.

    References
    ----------
    Howard et al. 2019, "Searching for MobileNetV3", section 5.3: hard sigmoid as the gate.
    """
    squeezed = conv(means(x), reduce, bias=reduce_bias)  # (batch, squeeze_width, 1, …)
    gates = conv(functional.relu(squeezed), expand, bias=expand_bias)  # (batch, width, 1, …)
    return x * functional.hardsigmoid(gates)


def means(x: torch.Tensor) -> torch.Tensor:
    """Return the mean of each channel of x, shape (batch, width, …), over its positions: (batch, width, 1, …)."""
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; add the input where the shapes agree."""

    def __init__(self, block: Block):
        super().__init__()
        hidden, dims = block.hidden_width, block.dims
        expansion = NormalizedConv(pointwise(block.in_width, hidden, dims), block.activation)
        self.inverted_bottleneck = expansion if block.expands else nn.Identity()
        depthwise = DEPTHWISE[dims](hidden, block.kernel, stride=block.stride)
        self.depth_conv = NormalizedConv(depthwise, block.activation)
        squeezes = block.squeeze_width > 0
        self.squeeze_excite = SqueezeExcite(hidden, block.squeeze_width, dims) if squeezes else nn.Identity()
        self.point_linear = NormalizedConv(pointwise(hidden, block.out_width, dims))
        self.has_shortcut = block.has_shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.depth_conv(self.inverted_bottleneck(x))  # (batch, hidden, positions / stride, …)
        out = self.point_linear(self.squeeze_excite(out))  # (batch, out, positions / stride, …)
        return x + out if self.has_shortcut else out


class Layers(nn.Module):
    """The layers of one layout."""

    def __init__(self, layout: Layout):
        super().__init__()
        dims, kernel, feature_width = layout.dims, layout.stem_kernel, layout.feature_width
        stem = CONVOLUTIONS[dims](
            layout.channels, layout.stem_width, kernel, layout.stem_stride, padding=kernel // 2, bias=False
        )
        self.first_conv = NormalizedConv(stem, layout.activation)
        self.blocks = nn.Sequential(*map(InvertedResidual, layout.blocks))
        head = pointwise(layout.blocks[-1].out_width, layout.head_width, dims)
        self.final_expand_layer = NormalizedConv(head, layout.activation)
        if feature_width:
            self.feature_mix_layer = pointwise(layout.head_width, feature_width, dims)
        self.dropout = nn.Dropout(layout.dropout)
        self.classifier = nn.Linear(layout.last_width, layout.classes)
        self.activation = layout.activation
        self.apply(initialize)


class SeparableNetwork(Layers):
    """The network of one layout, from inputs (batch, channels, …) to logits (batch, classes)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.dropout(self.features(self.blocks(self.first_conv(x)))))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the classifier sees, shape (batch, features), from the output of the last block."""
        pooled = means(self.final_expand_layer(x))  # (batch, head, 1, …)
        if hasattr(self, "feature_mix_layer"):
            pooled = ACTIVATIONS[self.activation](self.feature_mix_layer(pooled))
        return pooled.flatten(1)


def initialize(module: nn.Module) -> None:
    """Draw the initial weights of a layer: He normal by fan-out for convolutions, normal for the classifier.

    References
    ----------
    He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", equation 14 (the backward case).
    """
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
