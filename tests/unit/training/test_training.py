import math
import runpy
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from interruption import epochs_trained, interrupted_at
from torch import nn

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.files import project_root
from nagevo.training import loop
from nagevo.training.checkpoint import Best, resume, save_checkpoint
from nagevo.training.datasets import Split
from nagevo.training.datasets.inputs import ImageInputs
from nagevo.training.examples import Examples
from nagevo.training.loop import accuracy, cross_entropy_step, fit, fold, recalibrate
from nagevo.training.recipe import Recipe
from nagevo.training.tensors import load_tensors, save_tensors

RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.1, warmup_epochs=1)


def images(n: int = 32, size: int = 6) -> Examples:
    """Return random images whose class is whether their left half is brighter."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 1, size, size), dtype=np.uint8))
    halves = pixels.float().view(n, size, 2, size // 2).mean((1, 3))
    form = ImageInputs((1, size, size), mean=(0.5,), std=(0.3,))
    return Examples(pixels, (halves[:, 0] > halves[:, 1]).long(), form)


def network() -> nn.Module:
    """Return a small network with everything that has a state: normalization, dropout, biases."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 2)
    )


def trained(recipe: Recipe = RECIPE, **options) -> nn.Module:
    net = network()
    fit(net, cross_entropy_step(net, recipe), images(), recipe, seed=5, description="Training", **options)
    return net


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    recipe = Recipe(epochs=6, learning_rate=0.4, warmup_epochs=2)
    # Half of the warm-up: 0.2; its end: the peak; half of the cosine: half the peak; the end: 0.
    assert [recipe.rate(epoch) for epoch in (1, 2, 4, 6)] == pytest.approx([0.2, 0.4, 0.2, 0.0])
    assert recipe.rate(3) == pytest.approx(0.2 * (1 + math.cos(math.pi / 4)))


def test_a_recipe_of_nothing_but_warmup_is_refused():
    with pytest.raises(ConfigError, match="epochs: expected 0 or more than warmup_epochs, 2, got 2"):
        Recipe(epochs=2, warmup_epochs=2)


def test_the_residual_network_of_the_docs_can_be_trained_for_one_epoch(tmp_path, monkeypatch, capsys):
    script, weights = project_root() / "resources" / "networks" / "resnet.py", tmp_path / "weights.safetensors"
    dataset = '{"name": "mnist5k", "train": 40, "validation": 10, "test": 10}'
    small = ["--blocks", "1", "--width", "4", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["resnet.py", "--output", str(weights), "--dataset", dataset, *small])
    runpy.run_path(str(script), run_name="__main__")
    assert weights.is_file()
    assert "test accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_a_step_is_no_longer_than_a_clipped_gradient(clip):
    recipe = Recipe(
        epochs=1, batch_size=32, learning_rate=1.0, warmup_epochs=0, momentum=0.5, weight_decay=0, clip=clip
    )
    before, after = network(), trained(recipe)
    moved = (
        sum((p - q).pow(2).sum().item() for p, q in zip(before.parameters(), after.parameters(), strict=True)) ** 0.5
    )
    # the first step of Nesterov momentum 0.5 goes 1.5 times the gradient
    assert (moved == pytest.approx(1.5e-3, rel=1e-3)) == (clip is not None)


def test_training_learns_what_can_be_learned():
    recipe = Recipe(epochs=30, batch_size=8, shift_pixels=0, label_smoothing=0.0)
    net = recalibrate(trained(recipe), images())
    assert accuracy(net, images()) > 95


def test_training_that_resumes_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)
    checkpoint, uninterrupted = tmp_path / "state", trained().state_dict()
    with interrupted_at(2):
        trained(checkpoint=checkpoint)
    with epochs_trained() as epochs:
        resumed = trained(checkpoint=checkpoint).state_dict()
    assert epochs == {2}
    for name, tensor in uninterrupted.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0)
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_recipe_or_a_damaged_one_is_not_resumed(tmp_path):
    net, checkpoint = network(), tmp_path / "state"
    state = net, torch.optim.SGD(net.parameters(), lr=0.1), Best(net, None)
    save_checkpoint(checkpoint, {"recipe": "other"}, *state, 2)
    assert resume(checkpoint, {"recipe": "this"}, *state) == 0
    assert resume(checkpoint, {"recipe": "other"}, *state) == 2
    checkpoint.write_bytes(b"nonsense")
    assert resume(checkpoint, {"recipe": "other"}, *state) == 0


def scored(values, **options):
    """Return what training ends with when the network scores these values, and its state after each of the scores."""
    net, states, given = network(), [], iter(values)

    def score():
        states.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        return next(given)

    scores = fit(net, cross_entropy_step(net, RECIPE), images(), RECIPE, seed=5, score=score, **options)
    return net.state_dict(), states, scores


@pytest.mark.parametrize(("values", "best"), [([5, 7, 9, 8], 2), ([5, 4, 3, 2], 0), ([1, 6, 6, 2], 1)])
def test_the_network_ends_with_the_state_that_scored_best_first(values, best):
    final, states, scores = scored(values)
    assert scores == values
    torch.testing.assert_close(final, states[best], rtol=0, atol=0)


def test_the_best_state_outlives_an_interruption(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)
    uninterrupted, _, _ = scored([5, 9, 8, 7])

    def interrupted():
        yield from (5, 9, 8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scored(interrupted(), checkpoint=tmp_path / "state")
    resumed, states, scores = scored([7], checkpoint=tmp_path / "state")
    assert (len(states), scores) == (1, [5, 9, 8, 7])
    torch.testing.assert_close(resumed, uninterrupted, rtol=0, atol=0)


def test_recalibrated_statistics_are_the_means_over_the_batches():
    norm = nn.BatchNorm2d(1)
    recalibrate(norm, images(4), batch_size=2)
    batches = [x for x, _ in images(4).batches(2)]
    assert norm.running_mean.item() == pytest.approx(np.mean([x.mean().item() for x in batches]), abs=1e-6)
    assert norm.running_var.item() == pytest.approx(np.mean([x.var().item() for x in batches]), rel=1e-5)
    assert not norm.training


def test_nothing_is_dropped_while_statistics_are_recalibrated():
    alone, behind = nn.BatchNorm2d(1), nn.Sequential(nn.Dropout(0.9), nn.BatchNorm2d(1))
    recalibrate(alone, images())
    recalibrate(behind, images())
    torch.testing.assert_close(behind[1].running_mean, alone.running_mean, rtol=0, atol=0)
    torch.testing.assert_close(behind[1].running_var, alone.running_var, rtol=0, atol=0)
    assert not any(module.training for module in behind.modules())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_layers_compute_in_the_asked_precision_and_keep_float32_weights(precision):
    seen = []
    net = network()
    net[0].register_forward_hook(lambda module, inputs, output: seen.append(str(output.dtype)))
    recipe = replace(RECIPE, precision=precision, epochs=1, warmup_epochs=0)
    fit(net, cross_entropy_step(net, recipe), images(), recipe, seed=5)
    assert set(seen) == {f"torch.{precision}"}
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_training_on_a_gpu_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match="accelerator cuda: torch finds no GPU"):
        trained(replace(RECIPE, accelerator="cuda"))


def test_accuracy_counts_the_images_whose_class_is_named():
    class AlwaysOne(nn.Module):
        def forward(self, x):
            return torch.tensor([0.0, 1.0]).expand(len(x), 2)

    share = images().labels.float().mean().item()
    assert accuracy(AlwaysOne(), images(), batch_size=5) == pytest.approx(100 * share)


def test_images_are_normalized():
    pixels = np.zeros((2, 1, 4, 4), dtype=np.uint8)
    pixels[1] = 255
    split = Split(pixels, np.array([0, 1]))
    form = ImageInputs((1, 4, 4)).fitted(pixels)
    (x, labels), *_ = Examples.of(split, form).batches(2)
    # Mean and deviation are both 0.5 of full scale, so black is -1 and white is 1.
    torch.testing.assert_close(x[:, 0, 0, 0], torch.tensor([-1.0, 1.0]))
    assert labels.tolist() == [0, 1]


def test_tensors_come_back_and_have_always_the_same_bytes(tmp_path):
    tensors, about = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}, {"seed": 1, "recipe": {"epochs": 2}}
    for name in ("one", "two"):
        save_tensors(tensors, about, tmp_path / name)
    loaded, read = load_tensors(tmp_path / "one")
    assert read == about
    torch.testing.assert_close(loaded, tensors)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_weights_that_are_absent_or_damaged_are_one_clear_line(tmp_path):
    with pytest.raises(DataError, match="do not exist"):
        load_tensors(tmp_path / "none")
    (tmp_path / "damaged").write_bytes(b"x" * 100)
    with pytest.raises(DataError, match="were not written by this nagevo or are damaged"):
        load_tensors(tmp_path / "damaged")


def test_folded_batch_normalization_leaves_the_outputs_as_they_are():
    folded = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 2))
    unlike = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False))  # nothing to fold into
    whole = recalibrate(nn.Sequential(folded, unlike), images())
    x, _ = next(images().batches(32))
    with torch.no_grad():
        before = whole(x)
        torch.testing.assert_close(fold(whole)(x), before)
    assert [type(module) for module in folded] == [nn.Conv2d, nn.Identity, nn.ReLU, nn.Conv2d]
