"""Published supernets: state dicts with their names, shapes and random values, against the same layers by hand."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nagevo.foundation.errors import DataError
from nagevo.measure.accuracy import create_evaluator
from nagevo.spaces import create_space
from nagevo.spaces.mobilenetv3.once_for_all import load_published
from nagevo.training.datasets.inputs import ImageInputs
from nagevo.training.examples import Examples

WIDTHS = {1.0: (16, 16, 24, 40, 80, 112, 160, 960, 1280), 1.2: (24, 24, 32, 48, 96, 136, 192, 1152, 1536)}
"""Channels of stem, first block, five stages, head and features: multiples of 8, in the published networks."""
STRIDES = (2, 2, 2, 1, 2)
HSWISH = (False, False, True, True, True)
SQUEEZED = (False, True, False, True, True)


def multiple_of_8(width: float) -> int:
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * width else nearest


def published(width: float, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return a state dict with the names and shapes of the published network and random values."""
    rng = torch.Generator().manual_seed(seed)
    stem, first, *stages, head, features = WIDTHS[width]
    state: dict[str, torch.Tensor] = {}

    def weight(name: str, *shape: int) -> None:
        state[name] = torch.randn(*shape, generator=rng, dtype=torch.float64) / np.prod(shape[1:]) ** 0.5

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = 1.0 + 0.3 * torch.rand(channels, generator=rng, dtype=torch.float64)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    weight("first_conv.conv.weight", stem, 3, 3, 3)
    norm("first_conv.bn", stem)
    weight("blocks.0.mobile_inverted_conv.depth_conv.conv.weight", stem, 1, 3, 3)
    norm("blocks.0.mobile_inverted_conv.depth_conv.bn", stem)
    weight("blocks.0.mobile_inverted_conv.point_linear.conv.weight", first, stem, 1, 1)
    norm("blocks.0.mobile_inverted_conv.point_linear.bn", first)
    before = first
    for number in range(20):
        stage = number // 4
        block, hidden, out = f"blocks.{number + 1}.mobile_inverted_conv", multiple_of_8(6 * before), stages[stage]
        weight(f"{block}.inverted_bottleneck.conv.conv.weight", hidden, before, 1, 1)
        norm(f"{block}.inverted_bottleneck.bn.bn", hidden)
        weight(f"{block}.depth_conv.conv.conv.weight", hidden, 1, 7, 7)
        weight(f"{block}.depth_conv.conv.7to5_matrix", 25, 25)
        weight(f"{block}.depth_conv.conv.5to3_matrix", 9, 9)
        norm(f"{block}.depth_conv.bn.bn", hidden)
        if SQUEEZED[stage]:
            middle = multiple_of_8(hidden // 4)
            weight(f"{block}.depth_conv.se.fc.reduce.weight", middle, hidden, 1, 1)
            weight(f"{block}.depth_conv.se.fc.reduce.bias", middle)
            weight(f"{block}.depth_conv.se.fc.expand.weight", hidden, middle, 1, 1)
            weight(f"{block}.depth_conv.se.fc.expand.bias", hidden)
        weight(f"{block}.point_linear.conv.conv.weight", out, hidden, 1, 1)
        norm(f"{block}.point_linear.bn.bn", out)
        before = out
    weight("final_expand_layer.conv.weight", head, before, 1, 1)
    norm("final_expand_layer.bn", head)
    weight("feature_mix_layer.conv.weight", features, head, 1, 1)
    weight("classifier.linear.weight", 1000, features)
    weight("classifier.linear.bias", 1000)
    return state


class Reference:
    """The layers of a sub-network, computed from the published state dict and nothing else.

    ``statistics`` are the means and (unbiased) variances that each normalization saw in the last call with
    ``calibrate``; without it these are used.
    """

    def __init__(self, state: dict[str, torch.Tensor], text: str):
        self.state, self.statistics = state, {}
        self.depths, self.kernels, self.expansions = ([int(n) for n in part.split(",")] for part in text.split(":"))

    def __call__(self, images: torch.Tensor, *, calibrate: bool) -> torch.Tensor:
        self.calibrate, state = calibrate, self.state
        x = self.hswish(
            self.norm(F.conv2d(images, state["first_conv.conv.weight"], stride=2, padding=1), "first_conv.bn")
        )
        block = "blocks.0.mobile_inverted_conv"
        kernel = state[f"{block}.depth_conv.conv.weight"]
        out = F.relu(self.norm(F.conv2d(x, kernel, padding=1, groups=len(kernel)), f"{block}.depth_conv.bn"))
        out = self.norm(F.conv2d(out, state[f"{block}.point_linear.conv.weight"]), f"{block}.point_linear.bn")
        x = x + out  # stem and first block have the same width
        for number in range(20):
            stage, layer = divmod(number, 4)
            if layer < self.depths[stage]:
                x = self.block(x, number, stage, STRIDES[stage] if layer == 0 else 1)
        x = self.hswish(self.norm(F.conv2d(x, state["final_expand_layer.conv.weight"]), "final_expand_layer.bn"))
        x = x.mean(3, keepdim=True).mean(2, keepdim=True)
        x = self.hswish(F.conv2d(x, state["feature_mix_layer.conv.weight"])).flatten(1)
        return x @ state["classifier.linear.weight"].T + state["classifier.linear.bias"]

    def block(self, x: torch.Tensor, number: int, stage: int, stride: int) -> torch.Tensor:
        state, name = self.state, f"blocks.{number + 1}.mobile_inverted_conv"
        activation = self.hswish if HSWISH[stage] else F.relu
        hidden = multiple_of_8(x.shape[1] * self.expansions[number])
        expansion = state[f"{name}.inverted_bottleneck.conv.conv.weight"][:hidden]
        out = activation(self.norm(F.conv2d(x, expansion), f"{name}.inverted_bottleneck.bn.bn"))
        kernel = self.kernel(f"{name}.depth_conv.conv", hidden, self.kernels[number])
        out = F.conv2d(out, kernel, stride=stride, padding=self.kernels[number] // 2, groups=hidden)
        out = activation(self.norm(out, f"{name}.depth_conv.bn.bn"))
        if SQUEEZED[stage]:
            gate, middle, se = out.mean((2, 3), keepdim=True), multiple_of_8(hidden // 4), f"{name}.depth_conv.se.fc"
            gate = F.conv2d(gate, state[f"{se}.reduce.weight"][:middle, :hidden], state[f"{se}.reduce.bias"][:middle])
            gate = F.conv2d(
                F.relu(gate), state[f"{se}.expand.weight"][:hidden, :middle], state[f"{se}.expand.bias"][:hidden]
            )
            out = out * F.relu6(gate + 3) / 6
        out = F.conv2d(out, state[f"{name}.point_linear.conv.conv.weight"][:, :hidden])
        out = self.norm(out, f"{name}.point_linear.bn.bn")
        return x + out if x.shape == out.shape and stride == 1 else out

    def kernel(self, name: str, hidden: int, size: int) -> torch.Tensor:
        """Return the center of the 7 × 7 kernels, passed through one matrix for each step down."""
        weight = self.state[f"{name}.conv.weight"][:hidden, 0]
        if size < 7:
            weight = (weight[:, 1:6, 1:6].reshape(hidden, 25) @ self.state[f"{name}.7to5_matrix"].T).view(-1, 5, 5)
        if size < 5:
            weight = (weight[:, 1:4, 1:4].reshape(hidden, 9) @ self.state[f"{name}.5to3_matrix"].T).view(-1, 3, 3)
        return weight[:, None]

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        channels = x.shape[1]
        scale, shift = (self.state[f"{name}.{part}"][:channels].view(1, -1, 1, 1) for part in ("weight", "bias"))
        if self.calibrate:
            values = x.transpose(0, 1).flatten(1)
            mean, variance = values.mean(1), values.var(1, unbiased=False)
            self.statistics[name] = mean, values.var(1)
        else:
            mean, variance = self.statistics[name]
        normalized = (x - mean.view(1, -1, 1, 1)) / (variance.view(1, -1, 1, 1) + 1e-5).sqrt()
        return normalized * scale + shift

    @staticmethod
    def hswish(x: torch.Tensor) -> torch.Tensor:
        return x * F.relu6(x + 3) / 6


def space(width: float):
    return create_space("mobilenetv3", width_multiplier=width, resolution=32, dropout=0.0)


def architectures(space, n: int) -> np.ndarray:
    return np.concatenate([space.extremes(), space.sample(n, rng=np.random.default_rng(1))])


@pytest.mark.parametrize("width", WIDTHS)
def test_every_sub_network_computes_what_the_published_layers_compute(tmp_path, width):
    state, own = published(width), space(width)
    torch.save({"state_dict": state}, tmp_path / "published")
    supernet = own.supernet().double()
    load_published(supernet, tmp_path / "published")
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for choices in architectures(own, 4):
            expected = Reference(state, own.to_text(choices[None])[0])(images, calibrate=True)
            torch.testing.assert_close(supernet(images, choices), expected)
            torch.testing.assert_close(
                supernet.subnetwork(choices).double().train()(images), expected, rtol=1e-3, atol=1e-3
            )


def test_the_evaluator_takes_a_checkpoint_in_the_place_of_training(tmp_path):
    state, own = {name: tensor.float() for name, tensor in published(1.0).items()}, space(1.0)
    torch.save({"state_dict": state}, tmp_path / "published", _use_new_zipfile_serialization=False)  # as in 2020
    evaluator = create_evaluator("supernet", own, dataset={"name": "mnist5k"}, checkpoint=tmp_path / "published")
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(-1, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)
    form = ImageInputs((3, 32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    evaluator.calibration = lambda shape: Examples(pixels, torch.arange(8), form)
    evaluator.dataset = SimpleNamespace(classes=tuple(map(str, range(1000))), form=form)
    evaluator.train(tmp_path / "weights")
    elsewhere = create_evaluator("supernet", own, dataset={"name": "mnist5k"})
    elsewhere.load(tmp_path / "weights")
    images = (pixels / 255 - mean) / std
    with torch.no_grad():
        for choices in architectures(own, 1):
            reference = Reference(state, own.to_text(choices[None])[0])
            reference(images, calibrate=True)
            expected = reference(images[:3], calibrate=False)
            torch.testing.assert_close(elsewhere.network(choices)(images[:3]), expected, rtol=1e-3, atol=1e-3)


def test_names_of_later_versions_are_the_same_weights(tmp_path):
    state = published(1.0)
    later = {name.replace(".mobile_inverted_conv.", ".conv."): tensor for name, tensor in state.items()}
    torch.save(later, tmp_path / "later")
    torch.save({"state_dict": state}, tmp_path / "published")
    first, second = space(1.0).supernet(), space(1.0).supernet()
    load_published(first, tmp_path / "published")
    load_published(second, tmp_path / "later")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_checkpoint_of_another_width_is_refused_with_what_to_set(tmp_path):
    torch.save({"state_dict": published(1.0)}, tmp_path / "published")
    with pytest.raises(DataError, match=r"published is of another network .*: set space\.width_multiplier"):
        load_published(space(1.2).supernet(), tmp_path / "published")


def test_a_checkpoint_that_is_absent_or_cut_is_refused(tmp_path):
    with pytest.raises(DataError, match="nothing does not exist"):
        load_published(space(1.0).supernet(), tmp_path / "nothing")
    torch.save({"state_dict": published(1.0)}, tmp_path / "cut")
    (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:1000])
    with pytest.raises(DataError, match="cut is not a state dict of torch"):
        load_published(space(1.0).supernet(), tmp_path / "cut")


class Malicious:
    """What a pickle can make of itself."""

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("wrapped", [False, True])
def test_code_in_a_checkpoint_does_not_run(tmp_path, wrapped):
    Malicious.path = tmp_path / "owned"
    torch.save(
        {"state_dict": {"first_conv.conv.weight": Malicious()}} if wrapped else Malicious(), tmp_path / "published"
    )
    with pytest.raises(DataError, match="is not a state dict of torch"):
        load_published(space(1.0).supernet(), tmp_path / "published")
    assert not Path(Malicious.path).exists()
