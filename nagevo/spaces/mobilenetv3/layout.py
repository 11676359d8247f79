"""The layers of MobileNetV3 networks and their costs, without torch.

References
----------
Howard et al. 2019, "Searching for MobileNetV3", table 1: widths, strides, activations and squeeze-and-excite.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

N_STAGES = 5
DEPTHS = np.array([2, 3, 4])
KERNELS = np.array([3, 5, 7])
EXPANSIONS = np.array([3, 4, 6])
SLOTS = int(DEPTHS.max())
"""Layer slots of a stage; a stage of depth d uses the first d."""
N_SLOTS = N_STAGES * SLOTS
N_LAYER_CHOICES = N_STAGES + 2 * N_SLOTS
"""Depths, kernels and expansions: the first choices of an architecture."""
ACTIVATIONS = ("relu", "hswish")
SQUEEZE_REDUCTION = 4


def rounded_width(width: float, divisor: int) -> int:
    """Return the multiple of the divisor nearest to a width, never below 90 % of it.

    >>> [rounded_width(1.2 * width, 8) for width in (16, 24, 40, 80, 112, 160)]
    [24, 32, 48, 96, 136, 192]
    """
    nearest = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * width else nearest


@dataclass(frozen=True)
class Block:
    """One inverted residual block: 1×1 expansion, depthwise k×k, optional squeeze-and-excite, 1×1 projection.

    Attributes
    ----------
    in_width, hidden_width, out_width : int
        Channels; without an expansion (the first block) ``hidden_width`` equals ``in_width``.
    activation : {"relu", "hswish"}
    squeeze_width : int
        Channels of the squeeze-and-excite bottleneck; 0 for none.
    """

    in_width: int
    hidden_width: int
    out_width: int
    kernel: int
    stride: int
    activation: str
    squeeze_width: int

    @property
    def expands(self) -> bool:
        """Whether there is an expansion convolution."""
        return self.hidden_width != self.in_width

    @property
    def has_shortcut(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.in_width == self.out_width

    @property
    def parameters(self) -> int:
        """Number of trainable parameters, batch normalization and biases included."""
        expansion = self.hidden_width * (self.in_width + 2) * self.expands
        depthwise = self.hidden_width * (self.kernel**2 + 2)
        squeeze = self.squeeze_width * (2 * self.hidden_width + 1) + self.hidden_width * (self.squeeze_width > 0)
        return expansion + depthwise + squeeze + self.out_width * (self.hidden_width + 2)

    def macs(self, size: int) -> int:
        """Return the multiply–accumulates of the convolutions on an input of ``size`` × ``size`` positions."""
        expansion = self.hidden_width * self.in_width * self.expands * size**2
        squeeze = 2 * self.squeeze_width * self.hidden_width
        reduced = reduced_size(size, self.stride) ** 2
        return expansion + squeeze + self.hidden_width * (self.kernel**2 + self.out_width) * reduced


def reduced_size(size: int, stride: int) -> int:
    """Return the height (and width) after a convolution with odd kernel, "same" padding and this stride."""
    return -(-size // stride)


def reduced_sizes(size: int, strides: Iterable[int]) -> tuple[int, ...]:
    """Return the height after each of several such convolutions.

    >>> reduced_sizes(28, [2, 1, 2, 2])
    (14, 14, 7, 4)
    """
    return tuple(accumulate(strides, reduced_size, initial=size))[1:]


@dataclass(frozen=True)
class Widths:
    """Channels of the parts of a network.

    Attributes
    ----------
    stem, first : int
        Channels of the first convolution and of the first block.
    stages : tuple of int, length 5
    head, feature : int
        Before and after global pooling.
    """

    stem: int
    first: int
    stages: tuple[int, ...]
    head: int
    feature: int

    def scaled(self, multiplier: float, divisor: int) -> Widths:
        """Return the widths times a multiplier, rounded to multiples of the divisor."""

        def scaled(width: int) -> int:
            return rounded_width(width * multiplier, divisor)

        stages = tuple(map(scaled, self.stages))
        return Widths(scaled(self.stem), scaled(self.first), stages, scaled(self.head), scaled(self.feature))


@dataclass(frozen=True)
class Layout:
    """All that determines the layers of one network.

    Attributes
    ----------
    resolution : int
        Height and width of the images, in pixels.
    channels, stem_width, stem_stride : int
        Channels of the image; channels and stride of the first convolution.
    slots : tuple of int
        Which of the 20 layer slots the blocks after the first stand in; empty where there are no slots.
    head_width, feature_width, classes : int
        Channels before and after global pooling, and outputs.
    dropout : float
        Probability of dropping a feature before the classifier.
    """

    resolution: int
    channels: int
    stem_width: int
    stem_stride: int
    blocks: tuple[Block, ...]
    head_width: int
    feature_width: int
    classes: int
    dropout: float
    slots: tuple[int, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Height (and width) at the input of each block and, last, at the output of the last one."""
        return reduced_sizes(self.resolution, [self.stem_stride, *(block.stride for block in self.blocks)])

    @property
    def parameters(self) -> int:
        """Number of trainable parameters, batch normalization and biases included."""
        stem = self.stem_width * (9 * self.channels + 2)
        head = self.head_width * (self.blocks[-1].out_width + 2) + self.head_width * self.feature_width
        return stem + sum(block.parameters for block in self.blocks) + head + (self.feature_width + 1) * self.classes

    @property
    def macs(self) -> int:
        """Number of multiply–accumulates of convolutions and classifier for one image."""
        *sizes, last = self.sizes
        stem = 9 * self.channels * self.stem_width * sizes[0] ** 2
        head = self.blocks[-1].out_width * self.head_width * last**2
        blocks = sum(block.macs(size) for block, size in zip(self.blocks, sizes, strict=True))
        return stem + blocks + head + self.feature_width * (self.head_width + self.classes)
