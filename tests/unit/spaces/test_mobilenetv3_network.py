import numpy as np
import pytest
import torch
from torch import nn

from nagevo.spaces.mobilenetv3.space import MobileNetV3Space
from nagevo.spaces.separable.network import SqueezeExcite

SMALL = {
    "resolution": 28,
    "channels": 1,
    "classes": 10,
    "width_multiplier": 1.0,
    "divisor": 4,
    "stem_width": 8,
    "first_width": 8,
    "stage_widths": (8, 12, 16, 16, 24),
    "strides": (1, 2, 2, 1, 2),
    "head_width": 48,
    "feature_width": 64,
}


def counted_macs(network: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return the multiply–accumulates of all convolutions and linear layers, seen in one forward pass."""
    counts = []

    def count(module, inputs, output):
        per_output = module.weight[0].numel()
        counts.append(per_output * output[0].numel())

    def count_squeeze(module, inputs, output):
        counts.append(module.reduce.weight.numel() + module.expand.weight.numel())  # on one position each

    for module in network.modules():
        if isinstance(module, SqueezeExcite):
            module.register_forward_hook(count_squeeze)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    network.eval()(torch.zeros(1, *shape))
    return sum(counts)


@pytest.mark.parametrize("options", [SMALL, {"resolution": 49, "width_multiplier": 0.5, "classes": 7}])
def test_costs_of_the_space_are_those_of_its_networks(options):
    space = MobileNetV3Space(**options)
    choices = np.concatenate([space.extremes(), space.sample(3, rng=np.random.default_rng(0))])
    networks = [space.network(row) for row in choices]
    costs = space.costs(choices)
    assert costs["parameters"].tolist() == [sum(p.numel() for p in n.parameters()) for n in networks]
    assert costs["macs"].tolist() == [counted_macs(network, space.input_shape) for network in networks]


def test_a_network_turns_images_into_logits():
    space = MobileNetV3Space(**SMALL)
    network = space.network(space.extremes()[1]).eval()
    assert network(torch.zeros(3, *space.input_shape)).shape == (3, 10)


def test_only_layers_that_keep_the_shape_have_a_shortcut():
    space = MobileNetV3Space(**SMALL)
    blocks = space.network(space.extremes()[0]).blocks
    # First block 8→8; stages 8→8, 8→12 (stride 2), 12→16 (stride 2), 16→16, 16→24 (stride 2), two layers each.
    first_layers = [True, False, False, True, False]
    assert [block.has_shortcut for block in blocks] == [True, *(x for first in first_layers for x in (first, True))]


def test_squeeze_and_excite_stands_in_the_published_stages():
    blocks = MobileNetV3Space(**SMALL).layout(np.zeros(45, dtype=np.int8)).blocks
    assert [block.squeeze_width > 0 for block in blocks[1::2]] == [False, True, False, True, True]
