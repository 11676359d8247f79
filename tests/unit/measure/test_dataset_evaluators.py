"""Evaluators on images, windows and text, and the way of their networks to a device."""

import importlib
import math
import shutil

import numpy as np
import pytest
from interruption import epochs_trained, interrupted_at
from torch import nn

from nagevo.deploy.deployment import Deployment
from nagevo.deploy.finetuning import train_from_scratch
from nagevo.deploy.model_card import model_card
from nagevo.experiment.measuring import score
from nagevo.foundation.errors import ConfigError
from nagevo.measure.accuracy import create_evaluator
from nagevo.measure.latency import create_device
from nagevo.measure.measurements import Measurements
from nagevo.measure.rounds import join_rounds
from nagevo.spaces import create_space
from nagevo.spaces.base import SearchSpace
from nagevo.training import loop

RECIPE = {"epochs": 6, "batch_size": 16, "warmup_epochs": 1, "learning_rate": 0.1}


class Widths(SearchSpace):
    """A space of two widths of one network."""

    n_options, choice_names = (2,), ("width",)

    def to_text(self, choices):
        return [str(option) for (option,) in choices]

    def _parse(self, text):
        return [int(text)]


class Windows(Widths):
    """Convolutions over windows of two channels."""

    input_shape, classes = (2, 16), 2

    def network(self, choices):
        width = (4, 8)[choices[0]]
        return nn.Sequential(
            nn.Conv1d(2, width, 3), nn.BatchNorm1d(width), nn.ReLU(), nn.Flatten(), nn.Linear(width * 14, 2)
        )


class Recurrent(nn.Module):
    """A recurrent network of tokens."""

    def __init__(self, vocabulary: int, width: int):
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding, self.cell = nn.Embedding(vocabulary, width), nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens):  # (batch, length)
        return self.head(self.cell(self.embedding(tokens))[0])  # (batch, length, vocabulary)


class Letters(Widths):
    """Recurrent networks on sequences of eight tokens."""

    input_shape, vocabulary = (8,), 12

    def network(self, choices):
        return Recurrent(12, (8, 16)[choices[0]])


def evaluator(**options):
    space = create_space("mobilenetv3", resolution=16, channels=1, classes=10)
    return create_evaluator("training", space, dataset={"name": "mnist5k", **options})


@pytest.fixture
def windows(tmp_path):
    """Return an evaluator on windows whose class is whether the second channel is the larger one."""
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(300, 2, 16)), np.arange(300) % 2
    inputs[np.arange(300), labels] += 1
    np.savez(tmp_path / "windows.npz", inputs=inputs, labels=np.array(["rest", "walk"])[labels])
    dataset = {"name": "arrays", "path": str(tmp_path / "windows.npz")}
    return create_evaluator("training", Windows(), dataset=dataset, training=RECIPE)


@pytest.fixture
def relabelled(windows, tmp_path):
    """Return a function that exchanges the labels in the file of the windows."""
    path = tmp_path / "windows.npz"

    def exchange():
        with np.load(path) as known:
            inputs, labels = known["inputs"], known["labels"]
        np.savez(path, inputs=inputs, labels=np.where(labels == "walk", "rest", "walk"))

    return exchange


@pytest.fixture
def letters(tmp_path):
    """Return an evaluator on a text that repeats twelve letters."""
    (tmp_path / "text.txt").write_text("abcdefghijkl" * 100)
    dataset = {"name": "text", "path": str(tmp_path / "text.txt"), "length": 8}
    training = RECIPE | {"learning_rate": 1.0, "epochs": 20, "label_smoothing": 0.0}
    return create_evaluator("training", Letters(), dataset=dataset, training=training)


def test_preprocessing_tells_the_crop():
    assert evaluator(crop=0.8).preprocessing()["crop"] == 0.8
    assert evaluator().preprocessing()["crop"] == 1.0


def test_the_splits_hold_every_image_once():
    table = evaluator(train=3500, validation=500, test=1000).splits()
    assert table["split"].value_counts().to_dict() == {"train": 3500, "validation": 500, "test": 1000}
    assert sorted(table["row"]) == list(range(5000))


@pytest.mark.slow
def test_networks_of_windows_are_trained_scored_and_deployed(windows, tmp_path):
    scores = windows.evaluate(np.array([[0], [1]], dtype=np.int8), split="test")
    assert (scores["status"] == "ok").all()
    assert scores["accuracy"].min() > 90
    description = deployed(windows, tmp_path)
    assert description["inputs"] == "arrays"
    card = model_card(description, {})
    assert "`inputs`: float32 of shape (1, 2, 16)." in card
    assert "`(value - mean) / std`" in card
    assert "image" not in card


@pytest.mark.slow
def test_networks_of_text_are_trained_scored_and_deployed(letters, tmp_path):
    scores = letters.evaluate(np.array([[1]], dtype=np.int8))
    assert scores["accuracy"].item() > 80  # the first of eight tokens is hard to tell from nothing
    assert math.exp(scores["cross_entropy"].item()) == pytest.approx(scores["perplexity"].item())
    assert scores["perplexity"].item() < 3  # of twelve letters
    card = model_card(deployed(letters, tmp_path), {})
    assert "`inputs`: int64 of shape (1, 8)." in card
    assert "`logits`: float32 of shape (1, 8, 12)." in card
    assert "pipeline_tag: text-generation" in card


def cells(letters, evaluator: str, **training):
    """Return an evaluator of recurrent cells on the same text."""
    space = create_space("rnn_dag", nodes=3, width=12, vocabulary=12, length=8)
    recipe = RECIPE | {"learning_rate": 2.0, "epochs": 20, "label_smoothing": 0.0, "clip": 0.5, **training}
    return create_evaluator(evaluator, space, dataset=letters.dataset_options, training=recipe)


@pytest.mark.slow
def test_recurrent_cells_learn_the_next_letter_alone_and_in_their_supernet(letters, tmp_path):
    alone, shared = cells(letters, "training"), cells(letters, "supernet")
    shared.train(tmp_path / "supernet.safetensors")
    again = cells(letters, "supernet")
    again.load(tmp_path / "supernet.safetensors")
    everything = alone.space.extremes()
    for evaluator in (alone, again):
        scores = evaluator.evaluate(everything)
        assert scores["accuracy"].min() > 80
        assert scores["perplexity"].max() < 3


@pytest.mark.slow
def test_networks_with_a_state_are_deployed_token_by_token(letters, tmp_path):
    card = model_card(deployed(cells(letters, "training", epochs=2), tmp_path), {}, (12,))
    assert "`inputs`: int64 of shape (1, 1)." in card
    assert "`state`: float32 of shape (1, 12), zeros before the first token" in card
    assert "`logits`: float32 of shape (1, 1, 12)." in card


def test_perplexities_reach_the_table_of_measurements(letters):
    space, rows = Letters(), np.array([[0], [1]], dtype=np.int8)
    scores = score(space, letters, rows)
    known = Measurements.from_frame(join_rounds([["0", "1"]], {"scores": scores}), space)
    np.testing.assert_array_equal(known.readings["perplexity"], scores["perplexity"])
    again = Measurements.from_frame(known.to_frame(space), space)
    np.testing.assert_array_equal(again.readings["perplexity"], scores["perplexity"])


def deployed(evaluator, folder) -> dict:
    """Export the network of an evaluator's first architecture, time it on two devices, and return its description."""
    space, choices = evaluator.space, evaluator.space.extremes()[:1]
    description = {
        **dict.fromkeys(("experiment", "device", "measured_latency_ms", "versions"), None),
        **{"architecture": "?", "space": {"name": "own"}, "budget_ms": 1.0, "latency_ms": 0.5, "latency_bound_ms": 0.6},
        **{"confidence": 0.9, "accuracy": {}, "seed": 0, "versions": {}, "input_shape": list(space.input_shape)},
        **{"machine": {"processor": "a processor", "system": "a system"}, **evaluator.preprocessing()},
    }
    network = evaluator.trained(choices[0])
    assert Deployment(network, description).export_onnx(folder / "network.onnx") < 1e-4
    for name in ("torch", "onnxruntime"):
        rows = create_device(name, warmup=1, runs=2, rounds=1).measure(space, choices)
        assert rows["latency_ms"].item() > 0
    return description


OWN_NETWORK = """
from torch import nn


class Linear(nn.Linear):
    def forward(self, x):
        return super().forward(x.flatten(1))
"""


def test_kept_weights_of_other_labels_or_other_code_are_not_taken(windows, relabelled, tmp_path, monkeypatch):
    class Own(Windows):
        def network(self, choices):
            return importlib.import_module("own_network").Linear(32, 2)

    monkeypatch.syspath_prepend(tmp_path)
    code = tmp_path / "own_network.py"
    code.write_text(OWN_NETWORK)
    rows = np.array([[0]], dtype=np.int8)

    def opened():
        recipe = RECIPE | {"epochs": 1, "warmup_epochs": 0}
        evaluator = create_evaluator("training", Own(), dataset=windows.dataset_options, training=recipe)
        evaluator.keep(tmp_path / "kept")
        return evaluator

    assert opened().evaluate(rows)["status"].tolist() == ["ok"]
    assert opened().has_weights(rows).all()
    code.write_text(OWN_NETWORK.replace("flatten(1)", "flatten(1).abs()"))
    assert not opened().has_weights(rows).any()
    code.write_text(OWN_NETWORK)
    assert opened().has_weights(rows).all()
    relabelled()
    assert not opened().has_weights(rows).any()


def test_interrupted_training_begins_again_on_relabelled_examples(windows, relabelled, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)

    def train():
        evaluator = create_evaluator("training", Windows(), dataset=windows.dataset_options, training=RECIPE)
        begun = Deployment(Windows().network([0]), {"architecture": "0", "input_shape": [2, 16]})
        begun.network.load_state_dict(weights)
        train_from_scratch(begun, evaluator, tmp_path / "network", epochs=2)

    weights = Windows().network([0]).state_dict()
    with interrupted_at(1):
        train()
    with epochs_trained() as epochs:
        train()
    assert epochs == {1}
    shutil.rmtree(tmp_path / "network")
    with interrupted_at(1):
        train()
    relabelled()
    with epochs_trained() as epochs:
        train()
    assert epochs == {0, 1}


def test_a_space_of_other_inputs_is_refused_before_training(windows, letters):
    with pytest.raises(ConfigError, match=r"windows has inputs of shape \(2, 16\), but .* takes \(8,\)"):
        create_evaluator("training", Letters(), dataset=windows.dataset_options).evaluate(np.zeros((1, 1), np.int8))
    space = Windows()
    space.input_shape = (8,)
    with pytest.raises(ConfigError, match=r"holds tokens, but .* takes"):
        create_evaluator("training", space, dataset=letters.dataset_options).evaluate(np.zeros((1, 1), np.int8))
