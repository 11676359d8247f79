from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from interruption import epochs_trained, interrupted_at
from PIL import Image

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.measure.accuracy import create_evaluator
from nagevo.measure.accuracy.dataset import readings
from nagevo.measure.accuracy.supernet import add_gradients, networks_of_a_step
from nagevo.measure.accuracy.validation import Agreement, spread, validate_supernet
from nagevo.spaces import create_space
from nagevo.spaces.separable.layout import Block
from nagevo.spaces.separable.supernet import part
from nagevo.training import loop
from nagevo.training.datasets import SPLITS, Pool, Source
from nagevo.training.datasets.inputs import ImageInputs
from nagevo.training.examples import Examples
from nagevo.training.tensors import load_tensors

SMALL = {
    "channels": 1,
    "classes": 3,
    "width_multiplier": 1.0,
    "divisor": 2,
    "stem_width": 4,
    "first_width": 4,
    "stage_widths": (4, 4, 6, 6, 8),
    "strides": (2, 1, 2, 1, 1),
    "head_width": 8,
    "feature_width": 8,
    "dropout": 0.2,
}
SPACE = create_space("mobilenetv3", resolution=12, **SMALL)
TRAINING = {"epochs": 2, "batch_size": 16, "warmup_epochs": 1, "shift_pixels": 1}


def bars(*, n: int = 48) -> Source:
    """Return noisy images with a bright horizontal, vertical or no bar."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    images = rng.integers(0, 40, (n, 12, 12), dtype=np.uint8)
    images[labels == 0, 4:7] += 180
    images[labels == 1, :, 4:7] += 180
    return Source("bars", ("horizontal", "vertical", "none"), dict.fromkeys(SPLITS, Pool(images, labels)))


def evaluator(name: str = "supernet", space=SPACE, **options):
    options = {"training": TRAINING, "calibration_examples": 24} | options
    return create_evaluator(name, space, dataset={"name": f"{__name__}:bars"}, **options)


@pytest.fixture
def elastic():
    """Return a supernet whose kernel matrices and biases are not those that it begins with."""
    torch.manual_seed(0)
    return perturbed(SPACE.supernet())


def perturbed(supernet):
    """Return a supernet after adding noise to all that it begins with."""
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return supernet


def assert_sub_networks_agree(supernet, space):
    """Check that sub-networks are plain networks with the same outputs, and as many parameters as the space counts."""
    images = torch.randn(8, *space.input_shape)
    for choices in np.concatenate([space.extremes(), space.sample(4, rng=np.random.default_rng(0))]):
        plain = supernet.subnetwork(choices).train()
        plain.dropout.p = 0.0
        torch.testing.assert_close(supernet(images, choices), plain(images))
        assert sum(p.numel() for p in plain.parameters()) == space.costs(choices[None])["parameters"][0]


def test_every_sub_network_is_a_plain_network_with_the_same_outputs(elastic):
    assert_sub_networks_agree(elastic, SPACE)


@pytest.mark.parametrize("widths_by", ["network", "stage"])
def test_a_narrower_sub_network_takes_the_first_channels_of_all_layers(widths_by):
    torch.manual_seed(0)
    space = create_space("mobilenetv3", **SMALL, widths=[0.5, 1.0, 1.5], widths_by=widths_by)
    supernet = space.supernet()
    assert_sub_networks_agree(perturbed(supernet), space)
    network = supernet.subnetwork(space.extremes()[0])
    torch.testing.assert_close(network.classifier.weight, supernet.classifier.weight[:, :4])
    torch.testing.assert_close(network.first_conv.conv.weight, supernet.first_conv.conv.weight[:2])


def test_the_supernet_scales_images_as_pillow_does():
    space = create_space("mobilenetv3", **SMALL, resolutions=[8, 12])
    supernet, (small, large) = perturbed(space.supernet()), space.extremes()
    images = torch.rand(8, 1, 12, 12)
    scaled = [Image.fromarray(image[0].numpy()).resize((8, 8), Image.Resampling.BILINEAR) for image in images]
    expected = supernet(torch.tensor(np.stack(scaled)).unsqueeze(1), small)
    torch.testing.assert_close(supernet(images, small), expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(supernet(images, small), supernet(images, large), atol=0.01)


def test_a_smaller_kernel_is_the_center_of_the_larger_through_its_matrix(elastic):
    layer = elastic.blocks[1]
    own = dict(layer.named_parameters())
    weight, matrices = layer.depth_conv.conv.weight, layer.transforms
    five = (weight[:, :, 1:6, 1:6].flatten(1) @ matrices["7to5_matrix"].T).view(-1, 1, 5, 5)
    three = (five[:, :, 1:4, 1:4].flatten(1) @ matrices["5to3_matrix"].T).view(-1, 1, 3, 3)
    for kernel, expected in ((7, weight), (5, five), (3, three)):
        block = Block(4, 16, 4, kernel, 2, "relu", 0)
        taken = part(own, block)["depth_conv.conv.weight"]
        torch.testing.assert_close(taken, expected[: block.hidden_width])


def test_without_matrices_a_smaller_kernel_is_the_center_itself():
    layer = SPACE.supernet(kernel_transform=False).blocks[1]
    taken = part(dict(layer.named_parameters()), Block(4, 12, 4, 3, 2, "relu", 0))["depth_conv.conv.weight"]
    torch.testing.assert_close(taken, layer.depth_conv.conv.weight[:12, :, 2:5, 2:5])


def test_blocks_with_a_shortcut_begin_as_the_identity():
    supernet, x = SPACE.supernet(), torch.randn(2, 4, 6, 6)
    first, second = supernet.blocks[1:3]  # the first layer of a stage changes the size, the second does not
    assert not first.has_shortcut
    torch.testing.assert_close(second.train()(x), x)


def test_gradients_of_networks_that_share_weights_add_up(elastic):
    parameter = torch.nn.Parameter(torch.zeros(2))
    unused = torch.nn.Parameter(torch.zeros(1))
    add_gradients([parameter, unused], [[torch.tensor([1.0, 2.0]), None], [torch.tensor([3.0, 0.5]), None]])
    assert parameter.grad.tolist() == [4.0, 2.5]
    assert unused.grad is None


def test_random_networks_count_as_much_as_the_largest_is_right(elastic, monkeypatch):
    own = evaluator()
    labels = torch.tensor([0, 2])
    right = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]).log()
    assert own.weight(right, labels).item() == pytest.approx(0.55)
    images, labels = torch.randn(8, *SPACE.input_shape), torch.arange(8) % 3
    matrices = [p for name, p in elastic.named_parameters() if name.endswith("7to5_matrix")]  # of smaller kernels alone

    def gradient(weight: float) -> torch.Tensor:
        monkeypatch.setattr(own, "weight", lambda *_: torch.tensor(weight))
        torch.manual_seed(0)  # for dropout
        with ThreadPoolExecutor(1) as pool:
            own.distillation_step(elastic, pool)(images, labels, torch.Generator().manual_seed(0))
        return torch.cat([matrix.grad.flatten() for matrix in matrices if matrix.grad is not None])

    assert gradient(1.0).abs().max() > 0
    torch.testing.assert_close(gradient(0.25), 0.25 * gradient(1.0))


def test_a_third_of_the_random_networks_has_independent_choices():
    space = create_space("mobilenetv3")
    rng = np.random.default_rng(0)
    drawn = np.array([networks_of_a_step(space, 3, rng=rng) for _ in range(200)])
    shares = (drawn / (np.asarray(space.n_options) - 1)).mean(axis=2)  # of the dear options, by network
    assert drawn.shape == (200, 3, space.n_choices)
    assert (shares.std(axis=0)[:2] > 2 * shares.std(axis=0)[2]).all()


def test_a_supernet_that_diverges_asks_for_a_lower_learning_rate(tmp_path):
    with pytest.raises(ConfigError, match=r"learning_rate: expected less than 1e\+30: the supernet diverged"):
        evaluator(training=TRAINING | {"learning_rate": 1e30}).train(tmp_path / "supernet")
    assert not list(tmp_path.iterdir())


def test_training_gives_the_same_bytes_however_many_threads_and_interruptions(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)
    evaluator(threads=1).train(tmp_path / "one")
    with interrupted_at(1):
        evaluator(threads=3).train(tmp_path / "two")
    assert not (tmp_path / "two").exists()
    evaluator(threads=2).train(tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_an_interrupted_supernet_begins_again_on_relabelled_images(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)
    with interrupted_at(1):
        evaluator().train(tmp_path / "weights")
    images, labels = bars().pools["train"].inputs, bars().pools["train"].labels
    relabelled = Source("bars", bars().classes, dict.fromkeys(SPLITS, Pool(images, labels[::-1].copy())))
    monkeypatch.setattr(f"{__name__}.bars", lambda: relabelled)
    with epochs_trained() as epochs:
        evaluator().train(tmp_path / "weights")
    assert epochs == {0, 1}


def test_a_trained_supernet_recognizes_images_and_tells_its_training(tmp_path):
    recipe = {"epochs": 12, "batch_size": 24, "warmup_epochs": 1, "shift_pixels": 0}
    supernet = evaluator(training=recipe)
    supernet.train(tmp_path / "weights")
    supernet.load(tmp_path / "weights")
    rows = supernet.evaluate(SPACE.extremes())
    assert rows["accuracy"].max() > 60  # one class in three is right by chance
    assert (rows["status"] == "ok").all()
    _, about = load_tensors(tmp_path / "weights")
    assert about["dataset"] == {"name": f"{__name__}:bars"}
    assert about["classes"] == ["horizontal", "vertical", "none"]


def test_trained_weights_give_networks_where_the_dataset_is_not(tmp_path):
    trained, elsewhere = evaluator(), evaluator()
    trained.train(tmp_path / "weights")
    trained.load(tmp_path / "weights")
    elsewhere.dataset_options = {"name": "of another computer"}
    elsewhere.load(tmp_path / "weights")
    assert elsewhere.preprocessing() == trained.preprocessing()
    network = elsewhere.network(SPACE.extremes()[0])
    images = torch.randn(4, *SPACE.input_shape)
    torch.testing.assert_close(network(images), trained.network(SPACE.extremes()[0])(images))
    assert not network.training
    assert type(network).__name__ == "SeparableNetwork"


def test_weights_of_another_space_are_refused(tmp_path):
    evaluator().train(tmp_path / "weights")
    with pytest.raises(DataError, match="trained for other options of the space"):
        evaluator(kernel_transform=False).load(tmp_path / "weights")


def test_networks_of_each_resolution_are_calibrated_and_scored_at_it(tmp_path):
    space = create_space("mobilenetv3", **SMALL, resolutions=[8, 12], widths=[0.5, 1])
    trained, elsewhere = evaluator(space=space), evaluator(space=space)
    trained.train(tmp_path / "weights")
    elsewhere.dataset_options = {"name": "of another computer"}
    elsewhere.load(tmp_path / "weights")
    small, large = space.extremes()
    assert elsewhere.calibration((1, 8, 8)).inputs.shape == (24, 1, 8, 8)
    assert elsewhere.network(small)(torch.zeros(1, 1, 8, 8)).shape == (1, 3)
    trained.load(tmp_path / "weights")
    assert trained.examples("test", space.input_shape_of(small)).inputs.shape[-1] == 8
    torch.testing.assert_close(trained.examples("train").inputs[:24], elsewhere.calibration((1, 12, 12)).inputs)
    assert trained.evaluate(np.stack([small, large]))["accuracy"].between(0, 100).all()
    narrower = create_space("mobilenetv3", **SMALL, resolutions=[8, 12], widths=[0.25, 1])
    with pytest.raises(DataError, match="trained for other options of the space"):
        evaluator(space=narrower).load(tmp_path / "weights")


def test_an_unknown_key_of_the_recipe_is_named():
    with pytest.raises(ConfigError, match="epoch"):
        evaluator(training={"epoch": 3})


def test_a_space_without_supernet_says_what_to_take_instead():
    with pytest.raises(ConfigError, match=r"take training or table as accuracy\.evaluator"):
        create_space("nasbench201").supernet()


def test_training_keeps_its_weights_and_hands_them_over(tmp_path):
    alone, choices = evaluator("training"), SPACE.extremes()
    assert not alone.has_weights(choices).any()
    assert alone.network(choices[0]) is None  # nothing is trained to answer
    alone.keep(tmp_path / "trained")
    accuracy = alone.evaluate(choices)["accuracy"].tolist()
    other = evaluator("training", training=TRAINING | {"epochs": 1, "warmup_epochs": 0})
    other.keep(tmp_path / "trained")
    assert not other.has_weights(choices).any()  # of another recipe
    alone.save_weights(choices[:1], tmp_path / "weights.safetensors")
    elsewhere = evaluator("training")
    elsewhere.load(tmp_path / "weights.safetensors")
    assert elsewhere.has_weights(choices).tolist() == [True, False]
    images = torch.randn(4, *SPACE.input_shape)
    torch.testing.assert_close(elsewhere.network(choices[0])(images), alone.network(choices[0])(images))
    assert elsewhere.evaluate(choices[:1])["accuracy"].tolist() == accuracy[:1]


def test_kept_weights_are_not_trained_again(tmp_path, monkeypatch):
    alone, choices = evaluator("training"), SPACE.extremes()[:1]
    alone.keep(tmp_path)
    expected = alone.evaluate(choices)["accuracy"].tolist()
    monkeypatch.setattr(loop, "fit", None)
    again = evaluator("training")
    again.keep(tmp_path)
    assert again.evaluate(choices)["accuracy"].tolist() == expected
    assert np.isfinite(again.evaluate(choices, split="test")["accuracy"]).all()


def test_a_training_that_fails_is_a_row_with_its_reason(monkeypatch):
    alone, trained = evaluator("training"), loop.fit

    def fit(network, *arguments, **options):
        if sum(parameter.numel() for parameter in network.parameters()) > 10_000:
            raise torch.OutOfMemoryError("no memory left")
        return trained(network, *arguments, **options)

    monkeypatch.setattr(loop, "fit", fit)
    rows = alone.evaluate(SPACE.extremes())
    assert rows["status"].tolist() == ["ok", "OutOfMemoryError: no memory left"]
    assert np.isnan(rows["accuracy"]).tolist() == [False, True]


def test_a_network_whose_outputs_are_not_numbers_failed(monkeypatch):
    alone = evaluator("training")

    def diverge(network, *_, **__):
        for parameter in network.parameters():
            parameter.data.fill_(torch.nan)

    monkeypatch.setattr(loop, "fit", diverge)
    assert alone.evaluate(SPACE.extremes()[:1])["status"].tolist() == ["its outputs are not finite numbers"]


def test_training_alone_gives_the_same_accuracy_twice():
    alone = evaluator("training")
    rows = alone.evaluate(SPACE.extremes())
    np.testing.assert_array_equal(alone.evaluate(SPACE.extremes()[1:])["accuracy"], rows["accuracy"][1:])


def test_accuracies_come_with_standard_error_and_cross_entropy():
    # 1,000 images, 9 of 10 of class 0, and a network that gives class 0 three quarters of the probability.
    labels = torch.tensor([0] * 900 + [1] * 100)
    pixels = torch.zeros(1000, 1, 1, 1, dtype=torch.uint8)
    images = Examples(pixels, labels, ImageInputs((1, 1, 1), mean=(0.0,), std=(1.0,)))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 2, bias=True))
    with torch.no_grad():
        network[1].bias.copy_(torch.tensor([3.0, 1.0]).log())
    accuracy, standard_error, cross_entropy = readings(network, images)
    assert accuracy == 90
    assert standard_error == pytest.approx(100 * np.sqrt(901 / 1002 * 101 / 1002 / 1002))
    assert cross_entropy == pytest.approx(-(0.9 * np.log(0.75) + 0.1 * np.log(0.25)))


def test_spread_architectures_lie_evenly_from_smallest_to_largest():
    choices = spread(SPACE, 12, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(choices[[0, -1]], SPACE.extremes())
    steps = np.diff(np.log(SPACE.costs(choices)["macs"]))
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.mean()


def test_the_validation_says_how_far_both_ways_agree():
    class Known:
        def __init__(self, **known):
            self.space, self.known = SPACE, known

        def evaluate(self, choices, *, split="validation"):
            return pd.DataFrame({"accuracy": np.array(self.known[split], dtype=float)})

    choices = spread(SPACE, 4, rng=np.random.default_rng(0))
    supernet = Known(validation=[60, 70, 65, 90], test=[50, 61, 68, 77])
    table = validate_supernet(supernet, [Known(test=[50, 60, 70, 80]), Known(test=[52, 60, 70, 80])], choices)
    assert table["alone_accuracy"].tolist() == [51, 60, 70, 80]
    agreement = Agreement.of(table)
    assert agreement.tau == pytest.approx((5 - 1) / 6)  # of the 6 pairs only (70, 65) is the other way round
    assert agreement.rho == pytest.approx(1 - 6 * 2 / (4 * 15))  # ranks 1, 3, 2, 4 against 1, 2, 3, 4
    assert agreement.below == pytest.approx((1 - 1 + 2 + 3) / 4)
    assert str(agreement) == (
        "Supernet against training 4 networks alone: Kendall's tau 0.67, Spearman's rho 0.80, 1.2 points below on "
        "average."
    )
