"""Images that the library ``datasets`` reads: class folders, Parquet files, names of the hub."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.training.datasets import load_images

datasets = pytest.importorskip("datasets", reason="the extra `images` is not installed")
SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    """Keep what the library caches to the test, and the library from the network."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def load(path, **options):
    return load_images("huggingface", SHAPE, path=str(path), **options)


@pytest.fixture
def photos(tmp_path):
    """Return a folder with 12 grey and color images of cats, 6 of dogs, and among these two that are none."""
    rng = np.random.default_rng(0)
    for name, value, n in (("cat", 50, 12), ("dog", 200, 6)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(n):
            shape = (9 + i, 11) if i % 2 else (10, 9 + i, 3)
            pixels = np.full(shape, value + rng.integers(0, 9), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.{'png' if i % 3 else 'jpg'}")
    (tmp_path / "photos/dog/broken.png").write_bytes(b"no image")
    whole = (tmp_path / "photos/cat/1.png").read_bytes()
    (tmp_path / "photos/cat/truncated.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "photos"


def test_a_folder_of_class_folders_is_split_and_decoded(photos, caplog):
    dataset = load(photos, validation=4, test=5)
    assert dataset.classes == ("cat", "dog")
    splits = [dataset.split(name) for name in ("train", "validation", "test")]
    assert sum(map(len, splits)) == 18
    for split in splits:
        np.testing.assert_array_equal(split.images[:, 0, 4, 4] > 150, split.labels == 1)
    assert "cannot be read and are left out" in caplog.text


def test_an_image_that_is_added_is_seen(photos):
    before = len(load(photos).labels("train"))
    for i in range(10):
        Image.fromarray(np.full((9, 9), 200, dtype=np.uint8)).save(photos / "dog" / f"new{i}.png")
    # 30 images in place of 20: a tenth and a fifth are set aside
    assert (before, len(load(photos).labels("train"))) == (14, 21)


def test_folders_named_after_splits_are_those(photos, tmp_path):
    (tmp_path / "both").mkdir()
    photos.rename(tmp_path / "both/train")
    for name in ("cat", "dog"):
        (tmp_path / "both/test" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(tmp_path / "both/test" / name / "0.png")
    assert load(tmp_path / "both").split("test").images.shape == (2, *SHAPE)


def encoded(value: int) -> dict:
    buffer = io.BytesIO()
    Image.fromarray(np.full((9, 9, 3), value, dtype=np.uint8)).save(buffer, format="png")
    return {"bytes": buffer.getvalue(), "path": None}


def write(folder, labels=lambda numbers: numbers % 2, **columns):
    """Write 20 training and 4 test images; the n-th is full of n."""
    folder.mkdir(exist_ok=True)
    for split, n in (("train", 20), ("test", 4)):
        names = {"image": "image", "label": "label"} | columns
        table = {names["image"]: [encoded(i) for i in range(n)], names["label"]: labels(np.arange(n))}
        pd.DataFrame(table).to_parquet(folder / f"{split}.parquet")
    return folder


def test_images_and_labels_of_parquet_files_belong_together(tmp_path):
    dataset = load(write(tmp_path / "numbers"), validation=4, classes=["even", "odd"])
    assert dataset.classes == ("even", "odd")
    for name, n in (("train", 16), ("validation", 4), ("test", 4)):
        split = dataset.split(name)
        assert split.images.shape == (n, *SHAPE)
        np.testing.assert_array_equal(split.images[:, 0, 0, 0] % 2, split.labels)


def test_classes_without_names_are_called_by_their_numbers_or_texts(tmp_path):
    assert load(write(tmp_path / "numbers")).classes == ("0", "1")
    texts = load(write(tmp_path / "texts", labels=lambda numbers: np.where(numbers % 2, "odd", "even")))
    assert texts.classes == ("even", "odd")
    split = texts.split("test")
    np.testing.assert_array_equal(split.images[:, 0, 0, 0] % 2, split.labels)


def test_columns_and_splits_may_have_other_names(tmp_path):
    folder = write(tmp_path / "numbers", image="img", label="fine_label")
    with pytest.raises(ConfigError, match="has no column image; it has img, fine_label: set image_column"):
        load(folder)
    options = {"image_column": "img", "label_column": "fine_label"}
    swapped = load(folder, splits={"train": "test", "test": "train"}, train=1, **options)
    assert len(swapped.labels("test")) == 20
    with pytest.raises(ConfigError, match=r"dataset\.splits: dataset .* has no split dev; it has train, test"):
        load(folder, splits={"train": "dev"}, **options)


def test_labels_without_a_class_are_refused(tmp_path):
    with pytest.raises(DataError, match="expected labels from 0 to 0, one for each class, got 0 to 1"):
        load(write(tmp_path / "numbers"), classes=["even"])


def test_what_cannot_be_read_is_one_clear_line(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: the folder cannot be read") as empty:
        load(tmp_path / "empty")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/train.parquet").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="damaged: the folder cannot be read") as damaged:
        load(tmp_path / "damaged")
    with pytest.raises(DataError, match="there is no such folder, and the dataset of the hub cannot be read") as absent:
        load("nobody/nothing")
    assert not any("\n" in str(error.value) for error in (empty, damaged, absent))


def test_cifar10_is_read(shared_data, tmp_path):
    # the test images in both places: there are five times as many for training
    (tmp_path / "cifar").mkdir()
    for name in ("train.parquet", "test.parquet"):
        (tmp_path / "cifar" / name).symlink_to(shared_data / "cifar10/test.parquet")
    dataset = load_images("huggingface", (3, 32, 32), path=str(tmp_path / "cifar"), validation=1000)
    assert dataset.split("validation").images.shape == (1000, 3, 32, 32)
    assert np.bincount(dataset.labels("validation")).tolist() == [100] * 10
