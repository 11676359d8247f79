"""Images read from Parquet files."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nagevo.datasets import load_images
from nagevo.errors import DataError


def encoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return {"bytes": buffer.getvalue(), "path": None}


def write(folder, *, size=(3, 2), color=True):
    """Write ten training and two test images; the n-th is filled with n, and its label is n modulo 2."""
    for split, n in (("train", 10), ("test", 2)):
        shape = (*size, 3) if color else size
        images = [encoded(np.full(shape, i, dtype=np.uint8)) for i in range(n)]
        pd.DataFrame({"image": images, "label": np.arange(n) % 2}).to_parquet(folder / f"{split}.parquet")
    (folder / "classes.txt").write_text("even\nodd\n")
    return str(folder)


def test_images_and_labels_belong_together_in_every_split(tmp_path):
    dataset = load_images("parquet", path=write(tmp_path), validation=4)
    assert dataset.classes == ("even", "odd")
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [6, 4, 2]
    for name in ("train", "validation", "test"):
        part = dataset.split(name)
        assert part.images.shape[1:] == (3, 3, 2)  # channels, height, width
        np.testing.assert_array_equal(part.images[:, 0, 0, 0] % 2, part.labels)
    numbers = np.concatenate([dataset.split(name).images[:, 0, 0, 0] for name in ("train", "validation")])
    assert sorted(numbers) == list(range(10))


def test_grey_images_have_one_channel(tmp_path):
    assert load_images("parquet", path=write(tmp_path, color=False), validation=4).channels == 1


def test_an_absent_file_is_named(tmp_path):
    folder = write(tmp_path)
    (tmp_path / "test.parquet").unlink()
    with pytest.raises(DataError, match=r"test\.parquet does not exist"):
        load_images("parquet", path=folder)


def test_bytes_that_are_no_image_are_refused(tmp_path):
    folder = write(tmp_path)
    frame = pd.DataFrame({"image": [{"bytes": b"nonsense", "path": None}], "label": [0]})
    frame.to_parquet(tmp_path / "test.parquet")
    with pytest.raises(DataError, match="cannot be read as images and labels"):
        load_images("parquet", path=folder)


def test_labels_without_a_class_are_refused(tmp_path):
    folder = write(tmp_path)
    (tmp_path / "classes.txt").write_text("even\n")
    with pytest.raises(DataError, match=r"classes\.txt, which has 1 lines"):
        load_images("parquet", path=folder, validation=4)


def test_cifar10_is_read(shared_data, tmp_path):
    # the test images in both places: there are five times as many for training
    for name, source in (("train.parquet", "test.parquet"), ("test.parquet",) * 2, ("classes.txt",) * 2):
        (tmp_path / name).symlink_to(shared_data / "cifar10" / source)
    dataset = load_images("parquet", path=str(tmp_path), validation=1000)
    assert dataset.test.images.shape == (10000, 3, 32, 32)
    assert np.bincount(dataset.validation.labels).tolist() == [100] * 10
