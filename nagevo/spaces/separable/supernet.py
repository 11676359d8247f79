"""The weights of all networks of a space in one: the largest, of which every other one is a part.

References
----------
Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
section 3.2: a sub-network takes the first layers of a stage, the first channels of a layer, and the center of the
largest kernel passed through a matrix that all channels of a layer share.
Yu et al. 2020, "BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage Models", section 3: narrower
sub-networks take the first channels of all layers, and each sees the images at its own resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nagevo.spaces.separable.depthwise import conv, depthwise_conv
from nagevo.spaces.separable.layout import Block, Layout
from nagevo.spaces.separable.network import ACTIVATIONS, Layers, SeparableNetwork, excite, means


class ElasticNetwork(Layers):
    """The largest architecture of a space, of which every other one is a part.

    Batch normalization always uses the statistics of the batch: sub-networks have none in common. Blocks with a
    shortcut begin as the identity (BigNAS, section 3.2).

    Parameters
    ----------
    largest : Layout
        The layers of the largest architecture.
    layout_of : callable
        From the choices of an architecture, shape (n_choices,), to its layers.
    kernels : sequence of int
        Kernels that there are in the layer slots, in increasing order.
    kernel_transform : bool
        Whether smaller kernels are the center of the larger one passed through a learned matrix, or the center itself.
    """

    def __init__(
        self,
        largest: Layout,
        layout_of: Callable[[np.ndarray], Layout],
        *,
        kernels: Sequence[int],
        kernel_transform: bool = True,
    ):
        super().__init__(largest)
        self.layout_of = layout_of
        self.apply(_forget_statistics)
        n_fixed = len(largest.blocks) - len(largest.slots)
        for i, (module, block) in enumerate(zip(self.blocks, largest.blocks, strict=True)):
            if block.has_shortcut:
                nn.init.zeros_(module.get_parameter("point_linear.bn.weight"))
            if kernel_transform and i >= n_fixed:
                matrices = {_transform(kernel): torch.eye(kernel**largest.dims) for kernel in kernels[:-1]}
                module.transforms = nn.ParameterDict(matrices)

    def forward(self, x: torch.Tensor, choices: np.ndarray, *, dropout: bool = False) -> torch.Tensor:
        """Return the logits of one architecture, shape (batch, classes); ``choices`` has shape (n_choices,).

        Images of another size than the architecture takes are scaled.
        """
        layout = self.layout_of(choices)
        weights, activation = self._weights(layout), layout.activation
        x = _resized(x, layout.input_size)
        x = _normalized(x, weights, "first_conv", activation, stride=layout.stem_stride)
        for i, block in enumerate(layout.blocks):
            x = _block(x, weights, f"blocks.{i}", block)  # (batch, width, …)
        features = means(_normalized(x, weights, "final_expand_layer", activation))  # (batch, head, 1, …)
        if layout.feature_width:
            features = ACTIVATIONS[activation](conv(features, weights["feature_mix_layer.weight"]))
        features = self.dropout(features.flatten(1)) if dropout else features.flatten(1)
        return functional.linear(features, weights["classifier.weight"], weights["classifier.bias"])

    def subnetwork(self, choices: np.ndarray) -> SeparableNetwork:
        """Return one architecture as a plain network with a copy of its weights.

        Its batch normalization knows no statistics yet: recalibrate it before use.
        """
        layout = self.layout_of(choices)
        network, weights = SeparableNetwork(layout), self._weights(layout)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(weights[name])
        return network

    def _weights(self, layout: Layout) -> dict[str, torch.Tensor]:
        """Return the weights that an architecture takes, by their names in the plain network."""
        own = dict(self.named_parameters())
        head, feature = layout.head_width, layout.feature_width
        weights = _first(own, "first_conv", layout.stem_width, layout.channels)
        for i, (place, block) in enumerate(zip(layout.places, layout.blocks, strict=True)):
            taken = part(dict(self.blocks[place].named_parameters()), block)
            weights |= {f"blocks.{i}.{name}": weight for name, weight in taken.items()}
        weights |= _first(own, "final_expand_layer", head, layout.blocks[-1].out_width)
        if feature:
            weights["feature_mix_layer.weight"] = own["feature_mix_layer.weight"][:feature, :head]
        weights["classifier.weight"] = own["classifier.weight"][:, : layout.last_width]
        weights["classifier.bias"] = own["classifier.bias"]
        return weights


def _first(own: Mapping[str, torch.Tensor], layer: str, width: int, in_width: int) -> dict[str, torch.Tensor]:
    """Return the weights of the first channels of a convolution with batch normalization, by their names."""
    return {
        f"{layer}.conv.weight": own[f"{layer}.conv.weight"][:width, :in_width],
        f"{layer}.bn.weight": own[f"{layer}.bn.weight"][:width],
        f"{layer}.bn.bias": own[f"{layer}.bn.bias"][:width],
    }


def part(own: Mapping[str, torch.Tensor], block: Block) -> dict[str, torch.Tensor]:
    """Return the weights that a layer of this shape takes from a shared layer, both by their names in the layer."""
    width, squeeze_width = block.hidden_width, block.squeeze_width
    weights = _first(own, "inverted_bottleneck", width, block.in_width) if block.expands else {}
    weights |= _first(own, "depth_conv", width, 1)
    weights["depth_conv.conv.weight"] = _kernels(own, block)
    weights |= _first(own, "point_linear", block.out_width, width)
    if squeeze_width:
        reduce, expand = "squeeze_excite.reduce", "squeeze_excite.expand"
        weights |= {
            f"{reduce}.weight": own[f"{reduce}.weight"][:squeeze_width, :width],
            f"{reduce}.bias": own[f"{reduce}.bias"][:squeeze_width],
            f"{expand}.weight": own[f"{expand}.weight"][:width, :squeeze_width],
            f"{expand}.bias": own[f"{expand}.bias"][:width],
        }
    return weights


def _kernels(own: Mapping[str, torch.Tensor], block: Block) -> torch.Tensor:
    """Return the depthwise kernels, shape (hidden, 1, kernel, …), cut out of the larger ones size by size."""
    weight = own["depth_conv.conv.weight"][: block.hidden_width]
    while weight.shape[-1] > block.kernel:
        for dim in range(2, weight.ndim):
            weight = weight.narrow(dim, 1, weight.shape[dim] - 2)
        matrix = own.get(f"transforms.{_transform(weight.shape[-1])}")
        if matrix is not None:
            weight = functional.linear(weight.flatten(1), matrix).view(weight.shape)
    return weight


def _normalized(
    x: torch.Tensor, weights: dict[str, torch.Tensor], name: str, activation: str = "", *, stride: int = 1
) -> torch.Tensor:
    """Return what a convolution, batch normalization by the batch's statistics and an activation make of x."""
    weight = weights[f"{name}.conv.weight"]
    each_by_itself = x.shape[1] > weight.shape[1]
    out = depthwise_conv(x, weight, stride) if each_by_itself else conv(x, weight, stride)
    scale, shift = weights[f"{name}.bn.weight"], weights[f"{name}.bn.bias"]
    out = functional.batch_norm(out, None, None, scale, shift, training=True)
    return ACTIVATIONS[activation](out, inplace=True) if activation else out


def _block(x: torch.Tensor, weights: dict[str, torch.Tensor], name: str, block: Block) -> torch.Tensor:
    """Return what the plain layer of this shape returns in training mode."""
    out = _normalized(x, weights, f"{name}.inverted_bottleneck", block.activation) if block.expands else x
    out = _normalized(out, weights, f"{name}.depth_conv", block.activation, stride=block.stride)
    if block.squeeze_width:
        names = ("reduce.weight", "reduce.bias", "expand.weight", "expand.bias")
        out = excite(out, *(weights[f"{name}.squeeze_excite.{each}"] for each in names))
    out = _normalized(out, weights, f"{name}.point_linear")
    return x + out if block.has_shortcut else out


def _resized(images: torch.Tensor, resolution: int | tuple[int, int]) -> torch.Tensor:
    """Return images of another height and width, each position an average of what it covers."""
    sides = resolution if isinstance(resolution, tuple) else (resolution,) * (images.ndim - 2)
    if images.shape[2:] == sides:
        return images
    scaled = functional.interpolate(images, sides, mode="bilinear", antialias=True)
    return scaled.contiguous(memory_format=torch.channels_last)


def _forget_statistics(module: nn.Module) -> None:
    """Make a batch normalization use and keep no statistics but those of the current batch."""
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        module.running_mean = module.running_var = module.num_batches_tracked = None
        module.track_running_stats = False


def _transform(kernel: int) -> str:
    """Return the name that Once-for-All gives the matrix from the center of a larger kernel to this one."""
    return f"{kernel + 2}to{kernel}_matrix"
