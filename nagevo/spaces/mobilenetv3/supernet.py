"""The weights of all MobileNetV3 architectures in one network.

References
----------
Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
section 3.2: a sub-network takes the first layers of a stage, the first channels of a layer, and the center of the
largest kernel passed through a matrix that all channels of a layer share.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nagevo.spaces.mobilenetv3.depthwise import depthwise_conv2d
from nagevo.spaces.mobilenetv3.layout import KERNELS, Block
from nagevo.spaces.mobilenetv3.network import ACTIVATIONS, InvertedResidual, MobileNetV3, excite
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space


class ElasticMobileNetV3(MobileNetV3):
    """The largest architecture of a space, of which every other one is a part.

    Batch normalization always uses the statistics of the batch: sub-networks have none in common.

    Parameters
    ----------
    space : MobileNetV3Space
    kernel_transform : bool
        Whether smaller kernels are the center of the larger one passed through a learned matrix, or the center itself.
    """

    def __init__(self, space: MobileNetV3Space, *, kernel_transform: bool = True):
        super().__init__(space.layout(space.extremes()[1]))
        self.space = space
        self.apply(_forget_statistics)
        for block in self.blocks[1:] if kernel_transform else ():
            matrices = {_transform(kernel): torch.eye(kernel**2) for kernel in KERNELS[:-1].tolist()}
            block.transforms = nn.ParameterDict(matrices)

    def forward(self, images: torch.Tensor, choices: np.ndarray, *, dropout: bool = False) -> torch.Tensor:
        """Return the logits of one architecture, shape (batch, classes); ``choices`` has shape (n_choices,)."""
        x = self.blocks[0](self.first_conv(images))
        for elastic, block in self._active(choices):
            x = _elastic_block(x, part(elastic, block), block)  # (batch, width, height, width)
        features = self.features(x)
        return self.classifier(self.dropout(features) if dropout else features)

    def subnetwork(self, choices: np.ndarray) -> MobileNetV3:
        """Return one architecture as a plain network with a copy of its weights.

        Its batch normalization knows no statistics yet: recalibrate it before use.
        """
        network = self.space.network(choices)
        weights = {name: weight for name, weight in self.named_parameters() if not name.startswith("blocks.")}
        weights |= {f"blocks.0.{name}": weight for name, weight in self.blocks[0].named_parameters()}
        for i, (elastic, block) in enumerate(self._active(choices), start=1):
            weights |= {f"blocks.{i}.{name}": weight for name, weight in part(elastic, block).items()}
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(weights[name])
        return network

    def _active(self, choices: np.ndarray) -> Iterator[tuple[InvertedResidual, Block]]:
        """Yield the shared layer and the asked shape of each layer that an architecture uses."""
        slots = np.flatnonzero(self.space.used(choices[None]))
        yield from zip((self.blocks[1 + slot] for slot in slots), self.space.layout(choices).blocks[1:], strict=True)


def part(elastic: InvertedResidual, block: Block) -> dict[str, torch.Tensor]:
    """Return the weights that a layer of this shape takes from a shared layer, by their names in the plain layer."""
    width, squeeze_width = block.hidden_width, block.squeeze_width
    expansion, depthwise, projection = elastic.inverted_bottleneck, elastic.depth_conv, elastic.point_linear
    weights = {
        "inverted_bottleneck.conv.weight": expansion.conv.weight[:width],
        "inverted_bottleneck.bn.weight": expansion.bn.weight[:width],
        "inverted_bottleneck.bn.bias": expansion.bn.bias[:width],
        "depth_conv.conv.weight": _kernels(elastic, block),
        "depth_conv.bn.weight": depthwise.bn.weight[:width],
        "depth_conv.bn.bias": depthwise.bn.bias[:width],
        "point_linear.conv.weight": projection.conv.weight[:, :width],
        "point_linear.bn.weight": projection.bn.weight,
        "point_linear.bn.bias": projection.bn.bias,
    }
    if squeeze_width:
        reduce, expand = elastic.squeeze_excite.reduce, elastic.squeeze_excite.expand
        weights |= {
            "squeeze_excite.reduce.weight": reduce.weight[:squeeze_width, :width],
            "squeeze_excite.reduce.bias": reduce.bias[:squeeze_width],
            "squeeze_excite.expand.weight": expand.weight[:width, :squeeze_width],
            "squeeze_excite.expand.bias": expand.bias[:width],
        }
    return weights


def _kernels(elastic: InvertedResidual, block: Block) -> torch.Tensor:
    """Return the depthwise kernels, shape (hidden, 1, kernel, kernel), cut out of the larger ones size by size."""
    weight = elastic.depth_conv.conv.weight[: block.hidden_width]
    while weight.shape[-1] > block.kernel:
        weight = weight[:, :, 1:-1, 1:-1]
        if hasattr(elastic, "transforms"):
            matrix = elastic.transforms[_transform(weight.shape[-1])]
            weight = functional.linear(weight.flatten(1), matrix).view(weight.shape)
    return weight


def _elastic_block(x: torch.Tensor, weights: dict[str, torch.Tensor], block: Block) -> torch.Tensor:
    """Return what the plain layer of this shape returns in training mode."""

    def normalized(layer: str, x: torch.Tensor) -> torch.Tensor:
        scale, shift = weights[f"{layer}.bn.weight"], weights[f"{layer}.bn.bias"]
        return functional.batch_norm(x, None, None, scale, shift, training=True)

    activation = ACTIVATIONS[block.activation]
    out = functional.conv2d(x, weights["inverted_bottleneck.conv.weight"])  # (batch, hidden, height, width)
    out = activation(normalized("inverted_bottleneck", out), inplace=True)
    out = depthwise_conv2d(out, weights["depth_conv.conv.weight"], block.stride)
    out = activation(normalized("depth_conv", out), inplace=True)
    if block.squeeze_width:
        tensors = (
            weights[f"squeeze_excite.{name}"]
            for name in ("reduce.weight", "reduce.bias", "expand.weight", "expand.bias")
        )
        out = excite(out, *tensors)
    out = normalized("point_linear", functional.conv2d(out, weights["point_linear.conv.weight"]))
    return x + out if block.has_shortcut else out


def _forget_statistics(module: nn.Module) -> None:
    """Make a batch normalization use and keep no statistics but those of the current batch."""
    if isinstance(module, nn.BatchNorm2d):
        module.running_mean = module.running_var = module.num_batches_tracked = None
        module.track_running_stats = False


def _transform(kernel: int) -> str:
    """Return the name that Once-for-All gives the matrix from the next larger kernel to this one."""
    return f"{kernel + 2}to{kernel}_matrix"
