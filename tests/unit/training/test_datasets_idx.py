"""Images read from files in MNIST's format."""

import gzip

import numpy as np
import pytest

from nagevo.foundation.errors import DataError
from nagevo.training.datasets import load_dataset


def content(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    """Return a folder with 20 training images, gzipped, and 4 test images, not; each is full of its own number."""
    for prefix, n in (("train", 20), ("t10k", 4)):
        numbers = np.arange(n, dtype=np.uint8)
        images = np.broadcast_to(numbers[:, None, None], (n, 6, 6))
        for name, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", numbers % 3)):
            if prefix == "train":
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content(array)))
            else:
                (tmp_path / name).write_bytes(content(array))
    return tmp_path


def test_images_and_labels_belong_together_in_every_split(folder):
    dataset = load_dataset("idx", (1, 6, 6), path=str(folder), validation=5)
    assert dataset.classes == ("0", "1", "2")
    for name, n in (("train", 15), ("validation", 5), ("test", 4)):
        split = dataset.split(name)
        assert split.inputs.shape == (n, 1, 6, 6)
        np.testing.assert_array_equal(split.inputs[:, 0, 2, 2] % 3, split.labels)


def test_classes_have_the_given_names(folder):
    assert load_dataset("idx", (1, 6, 6), path=str(folder), classes=["a", "b", "c"]).classes == ("a", "b", "c")


def test_an_absent_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte does not exist, nor does t10k-labels-idx1-ubyte\.gz"):
        load_dataset("idx", (1, 6, 6), path=str(folder))


@pytest.mark.parametrize(
    "damage", [lambda old: b"", lambda old: old[:30], lambda old: old[:-1], lambda old: b"x" + old]
)
def test_a_damaged_file_is_named(folder, damage):
    for name in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte"):
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        with pytest.raises(DataError, match=f"{name} cannot be read as idx"):
            load_dataset("idx", (1, 6, 6), path=str(folder))
        path.write_bytes(whole)


def test_labels_that_are_too_few_are_refused(folder):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(content(np.zeros(3, dtype=np.uint8)))
    with pytest.raises(DataError, match="t10k has 4 images and 3 labels"):
        load_dataset("idx", (1, 6, 6), path=str(folder))
