"""Depthwise convolution, in one or two dimensions, whose weight gradient is fast on small maps of a CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

MAX_PAIRS = 16_384
"""Maximum number of pairs of an input and an output position for a weight gradient by matrix products."""

CONVOLUTIONS: dict[int, Callable[..., torch.Tensor]] = {1: functional.conv1d, 2: functional.conv2d}
"""By number of dimensions."""


class DepthwiseConv1d(nn.Conv1d):
    """A convolution of each channel of a sequence by itself; see :class:`DepthwiseConv2d`."""

    def __init__(self, width: int, kernel: int, *, stride: int = 1):
        super().__init__(width, width, kernel, stride, kernel // 2, groups=width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return depthwise_conv(x, self.weight, self.stride[0]) if self.training else super().forward(x)


class DepthwiseConv2d(nn.Conv2d):
    """A convolution of each channel by itself with "same" padding and an odd kernel.

    In evaluation mode, and so in every export, it is an ordinary convolution; in training see :func:`depthwise_conv`.
    """

    def __init__(self, width: int, kernel: int, *, stride: int = 1):
        super().__init__(width, width, kernel, stride, kernel // 2, groups=width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return depthwise_conv(x, self.weight, self.stride[0]) if self.training else super().forward(x)


def conv(
    x: torch.Tensor, weight: torch.Tensor, stride: int = 1, *, bias: torch.Tensor | None = None, groups: int = 1
) -> torch.Tensor:
    """Return a convolution with "same" padding, in as many dimensions as the weight has beyond two."""
    convolution = CONVOLUTIONS[weight.ndim - 2]
    return convolution(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2, groups=groups)


def depthwise_conv(x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
    """Return the convolution of each channel by itself with "same" padding.

    On a CPU the weight gradient of kernels larger than 3 on small maps is computed by matrix products: oneDNN's own
    takes ten to forty times as long as the forward pass on maps of 4 × 4 to 7 × 7 positions, and on sequences.

    Parameters
    ----------
    x : Tensor, shape (batch, width, length) or (batch, width, height, width)
    weight : Tensor, shape (width, 1, kernel) or (width, 1, kernel, kernel)
    """
    positions, kernel = x.shape[2:].numel(), weight.shape[-1]
    slow = kernel > 3 and positions**2 <= MAX_PAIRS * stride**2
    if slow and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        return _DepthwiseConv.apply(x, weight, stride)
    return conv(x, weight, stride, groups=len(weight))


class _DepthwiseConv(torch.autograd.Function):
    """The ordinary forward pass and input gradient, with a weight gradient by matrix products."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return conv(x, weight, stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        (x, weight), dims = ctx.saved_tensors, gradient.ndim - 2
        stride, padding, only_input = [ctx.stride] * dims, [weight.shape[-1] // 2] * dims, (True, False, False)
        of_input, _, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, stride, padding, [1] * dims, False, [0] * dims, len(weight), only_input
        )
        return of_input, weight_gradient(x, gradient, weight.shape[-1], ctx.stride), None


def weight_gradient(x: torch.Tensor, gradient: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Return the gradient of the weights of a depthwise convolution.

    One matrix product for each channel sums the products of all inputs and all output gradients over the batch; another
    adds up those pairs of positions that the same tap connects.

    Parameters
    ----------
    x : Tensor, shape (batch, width, in_height, in_width), or (batch, width, in_length)
    gradient : Tensor, shape (batch, width, out_height, out_width), or (batch, width, out_length)

    Returns
    -------
    Tensor, shape (width, 1, kernel, kernel), or (width, 1, kernel)
    """
    inputs = x.flatten(2).permute(1, 2, 0).contiguous()  # (width, in positions, batch)
    outputs = gradient.flatten(2).permute(1, 0, 2).contiguous()  # (width, batch, out positions)
    pairs = torch.bmm(inputs, outputs).flatten(1)  # (width, in positions · out positions)
    taps = _taps(tuple(x.shape[2:]), kernel, stride)
    return (pairs @ taps).view(-1, 1, *[kernel] * (x.ndim - 2))


@lru_cache(maxsize=64)
def _taps(size: tuple[int, ...], kernel: int, stride: int) -> torch.Tensor:
    """Return which tap connects which input with which output: 0 or 1, shape (in · out positions, kernel positions)."""

    def in_two(number: int, other: int) -> tuple[int, int]:  # of a sequence, an image of height 1
        return (number, number) if len(size) == 2 else (other, number)

    units = torch.eye(torch.Size(size).numel()).view(-1, 1, *(size if len(size) == 2 else (1, *size)))
    patches = functional.unfold(units, in_two(kernel, 1), padding=in_two(kernel // 2, 0), stride=in_two(stride, 1))
    return patches.transpose(1, 2).flatten(0, 1)  # (in, kernel positions, out) before
