"""The layers of depthwise-separable networks and their costs, without torch.

References
----------
Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", section 3.1:
depthwise-separable convolutions. Sandler, Howard, Zhu, Zhmoginov, Chen 2018, "MobileNetV2: Inverted Residuals and
Linear Bottlenecks", and Howard et al. 2019, "Searching for MobileNetV3": the blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar


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

    In one dimension, 1 stands for 1×1 and k for k×k.

    Attributes
    ----------
    in_width, hidden_width, out_width : int
        Channels; without an expansion ``hidden_width`` equals ``in_width``.
    activation : {"relu", "hswish"}
    squeeze_width : int
        Channels of the squeeze-and-excite bottleneck; 0 for none.
    dims : {1, 2}
        Dimensions of what is convolved.
    """

    in_width: int
    hidden_width: int
    out_width: int
    kernel: int
    stride: int
    activation: str
    squeeze_width: int
    dims: int = 2

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
        depthwise = self.hidden_width * (self.kernel**self.dims + 2)
        squeeze = self.squeeze_width * (2 * self.hidden_width + 1) + self.hidden_width * (self.squeeze_width > 0)
        return expansion + depthwise + squeeze + self.out_width * (self.hidden_width + 2)

    def macs(self, size: int | tuple[int, int]) -> int:
        """Return the multiply–accumulates of the convolutions on an input of ``size`` positions in each dimension."""
        expansion = self.hidden_width * self.in_width * self.expands * positions(size, self.dims)
        squeeze = 2 * self.squeeze_width * self.hidden_width
        reduced = positions(reduced_size(size, self.stride), self.dims)
        return expansion + squeeze + self.hidden_width * (self.kernel**self.dims + self.out_width) * reduced


Size = TypeVar("Size", int, tuple[int, int], int | tuple[int, int])
"""Positions in each dimension: one number where all have as many, else height and width."""


def reduced_size(size: Size, stride: int) -> Size:
    """Return the positions in a dimension after a convolution with odd kernel, "same" padding and this stride."""
    if isinstance(size, tuple):
        return -(-size[0] // stride), -(-size[1] // stride)
    return -(-size // stride)


def reduced_sizes(size: Size, strides: Iterable[int]) -> tuple[Size, ...]:
    """Return the positions in a dimension after each of several such convolutions.

    >>> reduced_sizes(28, [2, 1, 2, 2]), reduced_sizes((28, 14), [2, 2])
    ((14, 14, 7, 4), ((14, 7), (7, 4)))
    """
    sizes: list[Size] = [size]
    for stride in strides:
        sizes.append(reduced_size(sizes[-1], stride))
    return tuple(sizes[1:])


def positions(size: int | tuple[int, int], dims: int) -> int:
    """Return all positions of maps of a size, in so many dimensions.

    >>> positions(4, 2), positions((4, 6), 2)
    (16, 24)
    """
    return size[0] * size[1] if isinstance(size, tuple) else size**dims


@dataclass(frozen=True)
class Layout:
    """All that determines the layers of one network.

    Attributes
    ----------
    input_size : int or (int, int)
        Positions of an input in each dimension: the height and width of images in pixels, the length of windows. Two
        numbers where height and width differ.
    channels : int
        Of an input.
    stem_width, stem_kernel, stem_stride : int
        Channels, kernel and stride of the first convolution.
    head_width, feature_width, classes : int
        Channels before and after global pooling, and outputs; ``feature_width`` is 0 where pooling is not followed by a
        1×1 convolution.
    dropout : float
        Probability of dropping a feature before the classifier.
    activation : {"relu", "hswish"}
        Of what surrounds the blocks.
    slots : tuple of int
        In which layer slots the last blocks stand, each at one; empty where there are no slots.
    dims : {1, 2}
        Dimensions of what is convolved.
    """

    input_size: Any
    channels: int
    stem_width: int
    stem_stride: int
    blocks: tuple[Block, ...]
    head_width: int
    feature_width: int
    classes: int
    dropout: float
    activation: str = "hswish"
    stem_kernel: int = 3
    slots: tuple[int, ...] = ()
    dims: int = 2

    @property
    def places(self) -> tuple[int, ...]:
        """Place of each block among those of the largest network: fixed ones first, then one for each slot."""
        n_fixed = len(self.blocks) - len(self.slots)
        return (*range(n_fixed), *(n_fixed + slot for slot in self.slots))

    @property
    def sizes(self) -> tuple[Any, ...]:
        """Positions in a dimension at the input of each block and, last, at the output of the last one."""
        return reduced_sizes(self.input_size, [self.stem_stride, *(block.stride for block in self.blocks)])

    @property
    def last_width(self) -> int:
        """Channels that the classifier sees."""
        return self.feature_width or self.head_width

    @property
    def parameters(self) -> int:
        """Number of trainable parameters, batch normalization and biases included."""
        stem = self.stem_width * (self.stem_kernel**self.dims * self.channels + 2)
        head = self.head_width * (self.blocks[-1].out_width + 2) + self.head_width * self.feature_width
        return stem + sum(block.parameters for block in self.blocks) + head + (self.last_width + 1) * self.classes

    @property
    def macs(self) -> int:
        """Number of multiply–accumulates of convolutions and classifier for one input."""
        *sizes, last = self.sizes
        stem = self.stem_kernel**self.dims * self.channels * self.stem_width * positions(sizes[0], self.dims)
        head = self.head_width * (self.blocks[-1].out_width * positions(last, self.dims) + self.feature_width)
        blocks = sum(block.macs(size) for block, size in zip(self.blocks, sizes, strict=True))
        return stem + blocks + head + self.last_width * self.classes
