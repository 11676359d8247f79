"""A network without some of its parts: channels that shrink together, attention heads, residual blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

Axis = tuple[str, int]
"""A dimension of a parameter or buffer: its name in the network, and the number of the dimension."""

Cut = Mapping[Axis, np.ndarray]
"""Indices that are removed along each axis."""


@dataclass(frozen=True, eq=False)
class Part:
    """Channels, groups of channels or attention heads that are kept or removed as units.

    Attributes
    ----------
    name : str
        The layer whose outputs the channels are.
    size : int
        Number of units.
    units : mapping of Axis to ndarray of int
        For each index along an axis, the unit that it belongs to, or -1.
    order : ndarray of int, shape (size,)
        Units from the least to the most important.
    positions : int
        Positions (pixels, tokens) of the layer's output, by which stages are distinguished.
    """

    name: str
    size: int
    units: Mapping[Axis, np.ndarray]
    order: np.ndarray
    positions: int

    @property
    def layer(self) -> str:
        """Name of the module that the part belongs to."""
        return self.name.removesuffix(".num_heads")

    @property
    def is_attention(self) -> bool:
        """Whether the units are attention heads."""
        return self.layer != self.name

    @property
    def channels_per_unit(self) -> int:
        """Channels of the layer that make up one unit: more than one where a grouped convolution reads them."""
        return int((self.units[f"{self.layer}.weight".lstrip("."), 0] >= 0).sum()) // self.size

    def cut(self, kept: int) -> Cut:
        """Return the indices that are removed if only the given number of units, the most important ones, is kept."""
        removed = self.order[: self.size - kept]
        return {axis: np.flatnonzero(np.isin(units, removed)) for axis, units in self.units.items()}


def slimmer(whole: nn.Module, cuts: Iterable[Cut], left_out: Collection[str] = ()) -> nn.Module:
    """Return a plain copy of a network without the cut indices and without some of its blocks."""
    network = deepcopy(whole)
    for name in left_out:
        _set(network, name, nn.Identity())
    parameters = dict(network.named_parameters())
    tensors = parameters | dict(network.named_buffers())
    kept = kept_indices(tensors, union(cuts))
    for name in dict.fromkeys(name for name, _ in kept):
        tensor = sliced(tensors[name].detach(), name, kept)
        if name in parameters:
            tensor = nn.Parameter(tensor, requires_grad=tensors[name].requires_grad)
        _set(network, name, tensor)
    modules = dict(whole.named_modules())
    for name, module in network.named_modules():
        if name not in left_out:
            _set_widths(module, modules[name])
    return network


def union(cuts: Iterable[Cut]) -> dict[Axis, np.ndarray]:
    """Return all indices that any of the cuts takes away, by axis."""
    removed: dict[Axis, np.ndarray] = {}
    for cut in cuts:
        for axis, indices in cut.items():
            removed[axis] = np.union1d(removed[axis], indices) if axis in removed else indices
    return {axis: indices for axis, indices in removed.items() if len(indices)}


def kept_indices(tensors: Mapping[str, torch.Tensor], removed: Cut) -> dict[Axis, torch.Tensor]:
    """Return the indices that are kept along each axis from which some are removed."""
    return {
        (name, dim): torch.from_numpy(np.setdiff1d(np.arange(tensors[name].shape[dim]), indices))
        for (name, dim), indices in removed.items()
        if name in tensors
    }


def sliced(tensor: torch.Tensor, name: str, kept: Mapping[Axis, torch.Tensor]) -> torch.Tensor:
    """Return a tensor with only the kept indices along each of its dimensions; gradients flow back through it."""
    for dim in range(tensor.ndim):
        if (name, dim) in kept:
            tensor = tensor.index_select(dim, kept[name, dim])
    return tensor


@dataclass(frozen=True)
class Attention:
    """Self-attention with one projection to queries, keys and values."""

    qkv: nn.Linear
    proj: nn.Linear
    heads: int


def attention_of(module: nn.Module) -> Attention | None:
    """Return the layers of a module that is self-attention under timm's names, or None."""
    qkv, proj, heads = (getattr(module, name, None) for name in ("qkv", "proj", "num_heads"))
    if not isinstance(qkv, nn.Linear) or not isinstance(proj, nn.Linear) or not isinstance(heads, int) or heads < 2:
        return None
    width = proj.in_features
    return Attention(qkv, proj, heads) if qkv.out_features == 3 * width and width % heads == 0 else None


def _set_widths(module: Any, original: Any) -> None:
    """Set the attributes of a layer, or of an attention module, that say how wide it is, from its sliced weights."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        if module.groups > 1:
            module.groups = module.weight.shape[0] * original.groups // original.out_channels
        module.out_channels, module.in_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.modules.batchnorm._NormBase) and module.weight is not None:
        module.num_features = len(module.weight)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif (attention := attention_of(original)) is not None:
        width = module.proj.weight.shape[1]
        module.num_heads = attention.heads * width // attention.proj.in_features
        if hasattr(module, "attn_dim"):
            module.attn_dim = width


def _set(network: nn.Module, name: str, value: nn.Module | torch.Tensor) -> None:
    """Replace a module, a parameter or a buffer of a network."""
    parent, _, own_name = name.rpartition(".")
    setattr(network.get_submodule(parent), own_name, value)
