"""Slimmer versions of a small residual network, held against the network itself."""

from __future__ import annotations

import numpy as np
import pytest
import resnets
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from nagevo.foundation.errors import ConfigError, DataError, MissingDependency
from nagevo.spaces import create_space
from nagevo.spaces.slimmed.cutting import slimmer, union
from nagevo.spaces.slimmed.structure import find_structure

OPTIONS = {"model": "resnets:resnet", "input_shape": [3, 16, 16], "round_to": 4, "shares": [0.25, 0.5, 0.75]}


@pytest.fixture(scope="module")
def space():
    return create_space("slimmed", **OPTIONS)


@pytest.fixture
def images():
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(2))


def outputs(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(images)


def test_the_largest_architecture_is_the_users_network_bit_by_bit(space, images):
    largest = space.network(space.extremes()[1])
    assert str(largest) == str(space.trained())
    assert torch.equal(outputs(largest, images), outputs(space.trained(), images))


def test_a_sliced_network_equals_the_original_with_its_channels_at_zero(space, images):
    for row in space.sample(8, rng=np.random.default_rng(0)):
        row[-len(space.structure.blocks) :] = 1
        zeroed = space.trained()
        tensors = dict(zeroed.named_parameters()) | dict(zeroed.named_buffers())
        with torch.no_grad():
            for (name, dim), indices in union(space.cuts(row)).items():
                tensors[name].index_fill_(dim, torch.from_numpy(indices), 0.0)
        torch.testing.assert_close(outputs(space.network(row), images), outputs(zeroed, images), atol=1e-5, rtol=1e-5)


def test_a_block_that_is_left_out_passes_its_input_on(space, images):
    row = space.extremes()[1]
    row[-1] = 0  # the last block
    name = space.structure.blocks[-1]
    without = space.trained()
    without.layers[int(name.rpartition(".")[2])] = nn.Identity()
    assert torch.equal(outputs(space.network(row), images), outputs(without, images))


def test_shared_weights_give_each_architecture_its_own_outputs(space, images):
    supernet = space.supernet().eval()
    for row in space.sample(4, rng=np.random.default_rng(1)):
        expected = outputs(space.network(row), images)
        with torch.no_grad():
            torch.testing.assert_close(supernet(images, row), expected)
        torch.testing.assert_close(outputs(supernet.subnetwork(row), images), expected)


def test_gradients_reach_the_kept_slices_of_the_shared_weights_alone(space, images):
    supernet, row = space.supernet().train(), space.extremes()[0]
    row[-len(space.structure.blocks) :] = 1
    supernet(images, row).square().sum().backward()
    removed = union(space.cuts(row))["classifier.weight", 1]
    gradient = supernet.network.classifier.weight.grad
    assert (gradient[:, removed] == 0).all()
    assert (gradient.abs().sum(0) > 0).sum() == gradient.shape[1] - len(removed)


def test_the_least_important_channels_go_first():
    network = resnets.resnet(blocks=1)
    with torch.no_grad():
        network.layers[0].conv1.weight[5] *= 1e-3
        network.layers[0].bn1.weight[5] *= 1e-3
        network.layers[0].bn1.bias[5] *= 1e-3
        network.layers[0].conv2.weight[:, 5] *= 1e-3
    part = next(p for p in find_structure(network, (3, 16, 16)).parts if p.name == "layers.0.conv1")
    assert part.cut(7)["layers.0.conv1.weight", 0].tolist() == [5]


def test_kept_shares_are_rounded_and_those_that_keep_the_same_are_one():
    space = create_space("slimmed", **OPTIONS | {"round_to": 8})
    first = space.network(space.extremes()[0])
    widths = {m.out_channels for m in first.modules() if isinstance(m, nn.Conv2d)}
    assert all(width % 8 == 0 for width in widths)
    assert max(space.n_options) == 4  # 32 channels: 8, 16, 24, 32; 8 channels cannot be fewer
    assert "share of stem.0" not in " ".join(space.choice_names)


def test_parts_of_a_stage_are_tied_where_there_would_be_too_many_choices():
    tied = create_space("slimmed", **OPTIONS | {"most_choices": 8})
    free = create_space("slimmed", **OPTIONS)
    assert tied.n_choices <= 8 < free.n_choices
    assert tied.size < free.size


def test_resolutions_are_a_choice_that_the_text_tells():
    space = create_space("slimmed", **OPTIONS | {"resolutions": [12, 16]})
    small, large = space.extremes()
    assert space.input_shape_of(small) == (3, 12, 12)
    assert space.input_shape_of(large) == space.input_shape == (3, 16, 16)
    assert space.to_text(space.extremes())[0].endswith("@r12")
    assert "@" not in space.to_text(space.extremes())[1]


def test_weights_are_read_from_both_kinds_of_files(tmp_path, images):
    network = resnets.resnet(blocks=1)
    with torch.no_grad():
        network.stem[0].weight.fill_(0.5)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        space = create_space("slimmed", **OPTIONS, options={"blocks": 1}, weights=str(tmp_path / name))
        assert torch.equal(outputs(space.trained(), images), outputs(network, images))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model": "resnets:absent"}, ConfigError, "has no absent"),
        ({"model": "absent_module:net"}, MissingDependency, "absent_module"),
        ({"options": {"depth": 3}}, ConfigError, "does not take them"),
        ({"input_shape": [5, 16, 16]}, ConfigError, "does not run on inputs of shape"),
        ({"weights": "absent.safetensors"}, DataError, "does not exist"),
        ({"model": "test_slimmed:linear", "input_shape": [4]}, ConfigError, "no part of .* can be removed"),
        ({"shares": [1.0], "blocks": False}, ConfigError, "no part of .* can be removed: rounded to 4 channels"),
        ({"input_shape": [4], "resolutions": [8]}, ConfigError, "expected none for inputs of shape"),
    ],
)
def test_a_network_that_cannot_be_slimmed_is_one_clear_line(options, error, message):
    with pytest.raises(error, match=message):
        create_space("slimmed", **OPTIONS | options).n_options  # noqa: B018


def test_weights_of_another_network_are_refused(tmp_path):
    save_file(resnets.resnet(blocks=1).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="are not those of resnets:resnet"):
        create_space("slimmed", **OPTIONS, weights=str(tmp_path / "w.safetensors")).trained()


class StochasticDepth(nn.Module):
    """Leaves its input out at random in training, as torchvision's layer of this name does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.bernoulli(torch.full((len(x), 1), 0.5)) if self.training else x


def dropping() -> nn.Module:
    """A network with a layer that drops, of a kind that nagevo does not know."""
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), StochasticDepth(), nn.Linear(16, 3))


def test_nothing_is_dropped_at_random_in_smaller_versions():
    space = create_space("slimmed", model="test_slimmed:dropping", input_shape=[4])
    supernet, row = space.supernet().train(), space.extremes()[0]
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(supernet(inputs, row), supernet(inputs, row))
    assert not torch.equal(supernet(inputs, row), supernet.eval()(inputs, row))  # the statistics are of the batch
    supernet.train()
    assert not torch.equal(supernet(inputs, row, dropout=True), supernet(inputs, row, dropout=True))


def linear() -> nn.Module:
    """A network of one layer, of which nothing can go."""
    return nn.Linear(4, 3)


class Normalized(nn.Module):
    """Its first layer's channels are normalized together, so that none can go unnoticed."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.layer_norm(self.first(x), (16,))
        return self.last(functional.relu(self.second(x)))


def test_channels_that_change_others_when_they_go_are_left_whole():
    structure = find_structure(Normalized(), (4,))
    assert [part.name for part in structure.parts] == ["second"]
    assert any("first" in reason for reason in structure.whole)


class Grouped(nn.Module):
    """A grouped convolution between two others: its groups go as a whole."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 3, groups=4), nn.Conv2d(16, 8, 1)
        self.classifier = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.c(functional.relu(self.b(functional.relu(self.a(x))))).mean((2, 3)))


def test_groups_of_a_grouped_convolution_go_as_a_whole():
    structure = find_structure(Grouped(), (3, 8, 8))
    part = next(part for part in structure.parts if part.name == "a")
    assert part.size == 4
    network = slimmer(structure.network, [part.cut(1)])
    assert (network.a.out_channels, network.b.groups, network.b.out_channels, network.c.in_channels) == (4, 1, 4, 4)


class Attention(nn.Module):
    """Self-attention of four heads with timm's names."""

    def __init__(self):
        super().__init__()
        self.num_heads, self.head_dim = 4, 2
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, tokens, _ = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        x = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(n, tokens, self.num_heads * self.head_dim))


class Transformer(nn.Module):
    """One attention layer over five tokens."""

    def __init__(self):
        super().__init__()
        self.embed, self.attention, self.classifier = nn.Linear(6, 8), Attention(), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.attention(self.embed(x)).mean(1))


def test_attention_loses_whole_heads():
    structure = find_structure(Transformer(), (5, 6))
    part = next(part for part in structure.parts if part.is_attention)
    network = slimmer(structure.network, [part.cut(3)])
    assert (part.size, network.attention.num_heads, network.attention.qkv.out_features) == (4, 3, 18)
