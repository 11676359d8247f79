"""Published weights of Once-for-All's MobileNetV3 supernets, under nagevo's names.

References
----------
Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment". Names
and shapes are those of ``ofa_mbv3_d234_e346_k357_w1.0`` and ``…_w1.2`` in https://github.com/mit-han-lab/once-for-all.
"""

from __future__ import annotations

import os
import re

from torch import nn

from nagevo.foundation.errors import DataError
from nagevo.spaces.weights import read_state

RENAMINGS = (
    (r"^(blocks\.\d+)\.(?:mobile_inverted_conv|conv)\.", r"\1."),
    (r"\b(conv|bn|linear)\.\1\.", r"\1."),
    (r"\.depth_conv\.conv\.(\d+to\d+_matrix)$", r".transforms.\1"),
    (r"\.depth_conv\.se\.fc\.", ".squeeze_excite."),
    (r"^feature_mix_layer\.conv\.", "feature_mix_layer."),
    (r"^classifier\.linear\.", "classifier."),
)
"""Patterns in published names and what stands for them here, in the order in which they are applied."""

STATISTICS = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")
"""Statistics of the largest network: sub-networks have their own, taken anew."""


def load_published(supernet: nn.Module, path: str | os.PathLike) -> None:
    """Give a supernet the weights of a published checkpoint.

    Parameters
    ----------
    path : path
        A state dict, or a dictionary with one under ``state_dict``, as ``torch.save`` writes them. Nothing in the file
        can run code.

    Raises
    ------
    DataError
        If the file is absent or damaged, or its tensors are not those of the supernet.
    """
    tensors = {own_name(name): tensor for name, tensor in read_state(path).items() if not STATISTICS.search(name)}
    expected = supernet.state_dict()
    wrong = [
        *(f"{name} is missing" for name in expected.keys() - tensors.keys()),
        *(f"{name} is not known" for name in tensors.keys() - expected.keys()),
        *(
            f"{name} has shape {tuple(tensors[name].shape)} in place of {tuple(expected[name].shape)}"
            for name in expected.keys() & tensors.keys()
            if tensors[name].shape != expected[name].shape
        ),
    ]
    if wrong:
        raise DataError(
            f"checkpoint {path} is of another network ({len(wrong)} tensors differ; {min(wrong)}): set "
            "space.width_multiplier to its width, and the other options of the space to their defaults"
        )
    supernet.load_state_dict(tensors)


def own_name(name: str) -> str:
    """Return nagevo's name of a published tensor.

    >>> own_name("blocks.3.mobile_inverted_conv.depth_conv.conv.conv.weight")
    'blocks.3.depth_conv.conv.weight'
    >>> own_name("blocks.3.mobile_inverted_conv.depth_conv.conv.7to5_matrix")
    'blocks.3.transforms.7to5_matrix'
    """
    for pattern, own in RENAMINGS:
        name = re.sub(pattern, own, name)
    return name
