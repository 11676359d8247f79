"""Depthwise convolution whose weight gradient is fast on small maps of a CPU."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

MAX_PAIRS = 16_384
"""Most pairs of an input and an output position for which the weight gradient is computed by matrix products."""


class DepthwiseConv2d(nn.Conv2d):
    """A convolution of each channel by itself with "same" padding and an odd kernel.

    In evaluation mode, and so in every export, it is an ordinary convolution; in training see
    :func:`depthwise_conv2d`.
    """

    def __init__(self, width: int, kernel: int, *, stride: int = 1):
        super().__init__(width, width, kernel, stride, kernel // 2, groups=width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return depthwise_conv2d(x, self.weight, self.stride[0]) if self.training else super().forward(x)


def depthwise_conv2d(x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
    """Return the convolution of each channel by itself with "same" padding.

    On a CPU the weight gradient of kernels larger than 3 on small maps is computed by matrix products: oneDNN's own
    takes ten to forty times as long as the forward pass on maps of 4 × 4 to 7 × 7 positions.

    Parameters
    ----------
    x : Tensor, shape (batch, width, height, width)
    weight : Tensor, shape (width, 1, kernel, kernel)
    """
    positions, kernel = x.shape[2] * x.shape[3], weight.shape[-1]
    if x.device.type == "cpu" and kernel > 3 and positions**2 <= MAX_PAIRS * stride**2:
        return _DepthwiseConv2d.apply(x, weight, stride)
    return functional.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=len(weight))


class _DepthwiseConv2d(torch.autograd.Function):
    """The ordinary forward pass and input gradient, with a weight gradient by matrix products."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        (x, weight), stride = ctx.saved_tensors, [ctx.stride] * 2
        padding, only_input = [weight.shape[-1] // 2] * 2, (True, False, False)
        of_input, _, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, stride, padding, [1, 1], False, [0, 0], len(weight), only_input
        )
        return of_input, weight_gradient(x, gradient, weight.shape[-1], ctx.stride), None


def weight_gradient(x: torch.Tensor, gradient: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Return the gradient of the weights of a depthwise convolution.

    One matrix product for each channel sums the products of all inputs and all output gradients over the batch; another
    adds up those pairs of positions that the same tap connects.

    Parameters
    ----------
    x : Tensor, shape (batch, width, in_height, in_width)
    gradient : Tensor, shape (batch, width, out_height, out_width)

    Returns
    -------
    Tensor, shape (width, 1, kernel, kernel)
    """
    inputs = x.flatten(2).permute(1, 2, 0).contiguous()  # (width, in positions, batch)
    outputs = gradient.flatten(2).permute(1, 0, 2).contiguous()  # (width, batch, out positions)
    pairs = torch.bmm(inputs, outputs).flatten(1)  # (width, in positions · out positions)
    return (pairs @ _taps(tuple(x.shape[2:]), kernel, stride)).view(-1, 1, kernel, kernel)


@lru_cache(maxsize=64)
def _taps(size: tuple[int, int], kernel: int, stride: int) -> torch.Tensor:
    """Return which tap connects which input with which output: 0 or 1, shape (in · out positions, kernel²)."""
    n_inputs = size[0] * size[1]
    units = torch.eye(n_inputs).view(n_inputs, 1, *size)
    patches = functional.unfold(units, kernel, padding=kernel // 2, stride=stride)  # (in, kernel², out)
    return patches.transpose(1, 2).reshape(-1, kernel**2)
