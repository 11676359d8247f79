"""Images in Parquet files and of the hub; class folders are in test_datasets_folders.py."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.training.datasets import load_dataset

SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    """Keep what the library caches to the test, and the library from the network."""
    pytest.importorskip("datasets", reason="the extra `images` is not installed")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def load(path, **options):
    return load_dataset("huggingface", SHAPE, path=str(path), **options)


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
        assert split.inputs.shape == (n, *SHAPE)
        np.testing.assert_array_equal(split.inputs[:, 0, 0, 0] % 2, split.labels)


def test_classes_without_names_are_called_by_their_numbers_or_texts(tmp_path):
    assert load(write(tmp_path / "numbers")).classes == ("0", "1")
    texts = load(write(tmp_path / "texts", labels=lambda numbers: np.where(numbers % 2, "odd", "even")))
    assert texts.classes == ("even", "odd")
    split = texts.split("test")
    np.testing.assert_array_equal(split.inputs[:, 0, 0, 0] % 2, split.labels)


def test_columns_and_splits_may_have_other_names(tmp_path):
    folder = write(tmp_path / "numbers", image="img", label="fine_label")
    with pytest.raises(ConfigError, match="has no column image; it has img, fine_label: set image_column"):
        load(folder)
    options = {"image_column": "img", "label_column": "fine_label"}
    swapped = load(folder, splits={"train": "test", "test": "train"}, train=3, **options)
    assert len(swapped.labels("test")) == 20
    with pytest.raises(ConfigError, match=r"dataset\.splits: dataset .* has no split dev; it has train, test"):
        load(folder, splits={"train": "dev"}, **options)


def test_labels_without_a_class_are_refused(tmp_path):
    with pytest.raises(DataError, match="expected labels from 0 to 0, one for each class, got 0 to 1"):
        load(write(tmp_path / "numbers"), classes=["even"])


def test_what_cannot_be_read_is_one_clear_line(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"found no two class folders in .*empty: it holds no images") as empty:
        load(tmp_path / "empty")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/train.parquet").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"damaged/train\.parquet cannot be read as Parquet") as damaged:
        load(tmp_path / "damaged")
    with pytest.raises(
        DataError, match=r"dataset\.path: nobody/nothing does not exist; .* named by dataset\.hub"
    ) as absent:
        load("nobody/nothing")
    assert not any("\n" in str(error.value) for error in (empty, damaged, absent))


def test_cifar10_is_read(shared_data, tmp_path):
    # the test images in both places: there are five times as many for training
    (tmp_path / "cifar").mkdir()
    for name in ("train.parquet", "test.parquet"):
        (tmp_path / "cifar" / name).symlink_to(shared_data / "cifar10/test.parquet")
    dataset = load_dataset("huggingface", (3, 32, 32), path=str(tmp_path / "cifar"), validation=1000)
    assert dataset.split("validation").inputs.shape == (1000, 3, 32, 32)
    assert np.bincount(dataset.labels("validation")).tolist() == [100] * 10


def test_a_dataset_of_the_hub_has_a_key_of_its_own(tmp_path, monkeypatch):
    pytest.importorskip("datasets", reason="the extra `images` is not installed")
    with pytest.raises(DataError, match=r"dataset\.hub: nobody/nothing cannot be read"):
        load_dataset("huggingface", SHAPE, hub="nobody/nothing")
    with pytest.raises(ConfigError, match=r"expected one of path .* and hub"):
        load_dataset("huggingface", SHAPE)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "cifar10")
    with pytest.raises(ConfigError, match=r"dataset\.hub: cifar10 is a local folder"):
        load_dataset("huggingface", SHAPE, hub="cifar10")


def test_a_table_of_the_hub_is_read_like_a_local_one(monkeypatch):
    library = pytest.importorskip("datasets", reason="the extra `images` is not installed")
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["even", "odd"])})
    rows = {"image": [encoded(i) for i in range(20)], "label": [i % 2 for i in range(20)]}
    unlabeled = {"image": [encoded(i) for i in range(4)], "label": [-1] * 4}
    tables = library.DatasetDict(
        train=library.Dataset.from_dict(rows, features=features),
        test=library.Dataset.from_dict(unlabeled, features=features),
    )
    monkeypatch.setattr(library, "load_dataset", lambda name, subset: tables)
    dataset = load_dataset("huggingface", SHAPE, hub="some/numbers", validation=4, test=4)
    assert (dataset.name, dataset.classes) == ("numbers", ("even", "odd"))
    for name, n in (("train", 12), ("validation", 4), ("test", 4)):
        split = dataset.split(name)
        assert len(split) == n
        np.testing.assert_array_equal(split.inputs[:, 0, 0, 0] % 2, split.labels)


def test_images_of_several_row_groups_are_read_in_any_order(tmp_path):
    table = pd.DataFrame({"image": [encoded(i) for i in range(20)], "label": [i % 2 for i in range(20)]})
    (tmp_path / "data").mkdir()
    table[:13].to_parquet(tmp_path / "data/train-00000-of-00002.parquet", row_group_size=3)
    table[13:].to_parquet(tmp_path / "data/train-00001-of-00002.parquet", row_group_size=4)
    dataset = load(tmp_path, validation=5, test=5)
    seen = np.concatenate([dataset.split(name).inputs[:, 0, 0, 0] for name in ("train", "validation", "test")])
    assert sorted(seen) == list(range(20))
    np.testing.assert_array_equal(dataset.split("train").inputs[:, 0, 0, 0] % 2, dataset.split("train").labels)


def test_which_row_went_into_which_split_is_a_table(tmp_path):
    table = load(write(tmp_path / "numbers"), validation=4).table()
    assert list(table) == ["split", "pool", "row", "class"]
    own = table[table["split"] == "test"]
    assert set(own["pool"]) == {"test"}
    assert sorted(own["row"]) == [0, 1, 2, 3]
    aside = table[table["split"] != "test"]
    assert sorted(aside["row"]) == list(range(20))
    assert (aside["class"] == (aside["row"] % 2).astype(str)).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [("extra.parquet", "extra.parquet belongs to no split"), ("train-test.parquet", "names two splits: test, train")],
)
def test_files_whose_split_cannot_be_told_are_refused(tmp_path, name, message):
    write(tmp_path / "numbers")
    (tmp_path / "numbers" / name).write_bytes((tmp_path / "numbers/test.parquet").read_bytes())
    with pytest.raises(DataError, match=message):
        load(tmp_path / "numbers")


def test_files_without_the_name_of_a_split_are_for_training(tmp_path):
    for i in range(3):
        write(tmp_path / "numbers").joinpath("train.parquet").rename(tmp_path / "numbers" / f"part-{i}.parquet")
    (tmp_path / "numbers/test.parquet").unlink()
    assert sum(len(load(tmp_path / "numbers").labels(name)) for name in ("train", "validation", "test")) == 60


def test_missing_images_are_left_out_and_a_test_without_labels_is_set_aside(tmp_path, caplog):
    folder = write(tmp_path / "numbers")
    table = pd.read_parquet(folder / "train.parquet")
    table.loc[3, "image"] = None
    table.to_parquet(folder / "train.parquet")
    pd.read_parquet(folder / "test.parquet")[["image"]].to_parquet(folder / "test.parquet")
    dataset = load(folder, validation=4, test=4)
    assert sum(len(dataset.split(name)) for name in ("train", "validation", "test")) == 19
    assert "the examples of split test have no labels" in caplog.text
    assert "image 3: there is no image" in caplog.text
