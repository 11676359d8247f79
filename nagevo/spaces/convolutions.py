"""Convolutions whose gradients torch gets wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

FEWEST_CHANNELS = 8


@contextmanager
def safe_gradients(network: nn.Module) -> Iterator[None]:
    """Let strided 1 × 1 convolutions of few channels read their inputs channel by channel, as long as the block lasts.

    Where channels of inputs or weights lie innermost in memory, their backward pass on a processor writes out of bounds
    (torch 2.13, four channels, stride 2). The weights stay laid out channel by channel.
    """
    convolutions = [
        module
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.weight.shape[1] < FEWEST_CHANNELS
    ]
    for module in convolutions:
        module.weight.data = module.weight.data.clone(memory_format=torch.contiguous_format)
    handles = [
        module.register_forward_pre_hook(lambda _, inputs: tuple(each.contiguous() for each in inputs))
        for module in convolutions
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
