"""Texts as sequences of tokens."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.measure.accuracy.dataset import readings
from nagevo.training.datasets import load_dataset
from nagevo.training.examples import Examples
from nagevo.training.loop import accuracy, cross_entropy_step, fit, recalibrate
from nagevo.training.recipe import Recipe

LENGTH = 8


def load(path=None, length=LENGTH, **options):
    return load_dataset("text", (length,), path=None if path is None else str(path), length=length, **options)


def perplexity(network: nn.Module, examples: Examples) -> float:
    return math.exp(readings(network, examples)[2])


def words(dataset, split: str) -> str:
    return "".join(dataset.classes[token] for token in dataset.split(split).inputs.flatten())


@pytest.fixture
def alphabet(tmp_path):
    """Return a text that repeats twelve letters 100 times."""
    (tmp_path / "text.txt").write_text("abcdefghijkl" * 100)
    return tmp_path / "text.txt"


def test_a_text_is_cut_into_sequences_whose_labels_are_the_next_tokens(alphabet):
    dataset = load(alphabet)
    assert dataset.classes == tuple("abcdefghijkl")
    split = dataset.split("train")
    np.testing.assert_array_equal(split.labels, (split.inputs + 1) % 12)
    np.testing.assert_array_equal(split.inputs[1:, 0], split.labels[:-1, -1])


def test_splits_are_stretches_of_the_text(alphabet):
    dataset = load(alphabet)
    # 149 whole sequences: a tenth and a fifth are 15 and 30
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [104, 15, 30]
    text = "abcdefghijkl" * 100
    assert words(dataset, "train") + words(dataset, "validation") + words(dataset, "test") == text[: 149 * LENGTH]
    table = dataset.table()
    assert list(table) == ["split", "pool", "row"]
    assert table["row"].tolist() == list(range(149))


def test_without_a_path_the_help_texts_of_python_are_read():
    dataset = load(length=64)
    assert dataset.name == "pydoc_topics"
    assert "statement" in words(dataset, "train")


def test_bytes_are_tokens_too(tmp_path):
    (tmp_path / "text.txt").write_text("é" * 100)
    dataset = load(tmp_path / "text.txt", tokens="bytes")
    assert len(dataset.classes) == 256
    assert set(dataset.split("train").inputs.flatten()) == {0xC3, 0xA9}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected at least ten sequences of 8 tokens, got 0"),
        (b"short", "expected at least ten sequences of 8 tokens, got 0"),
        (b"a" * 1000, "expected at least two classes of training examples, got only a"),
        ("é".encode("latin-1") * 100, "expected text in UTF-8, got the byte 0xe9"),
    ],
)
def test_texts_that_cannot_be_learned_are_one_clear_line(tmp_path, content, message):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "text.txt")
    with pytest.raises(DataError, match=r"dataset\.path: .* cannot be read"):
        load(tmp_path)


def test_a_smaller_vocabulary_keeps_the_most_frequent_tokens(tmp_path):
    (tmp_path / "text.txt").write_text("abacabad" * 20)  # a 80 times, b 40, c and d 20 each
    dataset = load(tmp_path / "text.txt", vocabulary=3)
    assert dataset.classes == ("a", "b", "\ufffd")
    assert dataset.split("train").inputs[0].tolist() == [0, 1, 0, 2, 0, 1, 0, 2]
    assert load(tmp_path / "text.txt", vocabulary=9).classes == tuple("abcd")


def test_options_of_other_data_are_refused(alphabet):
    with pytest.raises(ConfigError, match=r"dataset\.mean: the dataset text holds tokens, which have none"):
        load(alphabet, mean=[0.5])
    with pytest.raises(ConfigError, match=r"training\.noise: the dataset holds tokens"):
        load(alphabet).form.check(Recipe(noise=0.5))


def test_a_network_learns_the_next_token(alphabet):
    dataset = load(alphabet)
    train, test = (Examples.of(dataset.split(name), dataset.form) for name in ("train", "test"))
    torch.manual_seed(0)
    network = nn.Embedding(12, 12)  # logits of the next token from the last one alone
    recipe = Recipe(epochs=20, batch_size=8, learning_rate=5.0, warmup_epochs=1, label_smoothing=0.0, weight_decay=0.0)
    assert perplexity(network, test) > 5
    fit(network, cross_entropy_step(network, recipe), train, recipe, seed=0)
    assert accuracy(recalibrate(network, train), test) == 100
    assert perplexity(network, test) < 1.2


def test_perplexity_of_even_chances_is_the_number_of_tokens(alphabet):
    dataset = load(alphabet)
    network = nn.Embedding(12, 12)
    nn.init.zeros_(network.weight)
    assert math.isclose(perplexity(network, Examples.of(dataset.split("test"), dataset.form)), 12, rel_tol=1e-5)
