"""Images in folders: classes, splits, and layouts that cannot be told."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.training.datasets import load_dataset

SHAPE = (3, 8, 8)


def load(path, **options):
    return load_dataset("huggingface", SHAPE, path=str(path), **options)


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
        np.testing.assert_array_equal(split.inputs[:, 0, 4, 4] > 150, split.labels == 1)
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
    assert load(tmp_path / "both").split("test").inputs.shape == (2, *SHAPE)


def fill(root, *folders: str, n: int = 4):
    """Write n images into each folder; their brightness tells the folder."""
    for place, folder in enumerate(folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.fromarray(np.full((9, 9), 20 * place + i, dtype=np.uint8)).save(root / folder / f"{i}.png")
    return root


def files(dataset, split: str) -> set[str]:
    """Return the folders from which the images of a split come."""
    table = dataset.table()
    return {file.rpartition("/")[0] for file in table.loc[table["split"] == split, "file"]}


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("Train", "Val", "Test"), ("TRAINING", "valid", "testing"), ("train", "Validation", "TEST")],
)
def test_folders_of_splits_have_any_capitals_and_usual_spellings(tmp_path, train, validation, test):
    names = [f"{split}/{name}" for split in (train, validation, test) for name in ("cat", "dog")]
    dataset = load(fill(tmp_path, *names))
    assert dataset.classes == ("cat", "dog")
    for ours, theirs in (("train", train), ("validation", validation), ("test", test)):
        assert files(dataset, ours) == {str(tmp_path / theirs / name) for name in ("cat", "dog")}


def test_a_class_may_have_the_name_of_a_split(tmp_path):
    assert load(fill(tmp_path, "train", "car", "test")).classes == ("car", "test", "train")


def test_other_names_of_splits_are_given(tmp_path):
    root = fill(tmp_path, "old/cat", "old/dog", "new/cat", "new/dog", "test/cat")
    dataset = load(root, splits={"train": "new", "test": "old"})
    assert files(dataset, "test") == {str(root / "old/cat"), str(root / "old/dog")}
    with pytest.raises(ConfigError, match=r"dataset\.splits: .* has no split dev; it has new, old, test"):
        load(root, splits={"train": "dev"})


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["data/cat", "data/dog"], r"found no two class folders in .*: did you mean .*/data, which has cat, dog\?"),
        (["archive/train/cat", "archive/train/dog"], "found no two class folders"),
        (["train/data/cat", "train/data/dog"], "found no two class folders in .*/train: did you mean .*/train/data"),
        (["cat"], "found no two class folders in .*: the only one is cat"),
        (["."], "found no two class folders in .*: its images lie in no folders"),
        (["train", "test"], "expected class folders in test, train, got images alone"),
        (
            ["a/cat", "a/dog", "b/cat", "b/dog"],
            "expected images in the class folder .*/a, got further folders",
        ),
        (["train/cat", "train/dog", "extra"], r"has folders for splits \(train\) beside others \(extra\)"),
        (["val/cat", "val/dog", "validation/cat", "train/cat"], "two folders for one split: val, validation"),
        (["test/cat", "test/dog"], "has no split train; it has test"),
    ],
)
def test_a_layout_that_cannot_be_told_is_one_clear_line(tmp_path, folders, message):
    with pytest.raises(DataError, match=message):
        load(fill(tmp_path, *folders))


def test_test_images_without_class_folders_are_not_used(tmp_path, caplog):
    dataset = load(fill(tmp_path, "train/cat", "train/dog", "test", n=10))
    assert files(dataset, "test") == {str(tmp_path / "train/cat"), str(tmp_path / "train/dog")}
    assert "the examples of split test have no labels; training examples take their place" in caplog.text


def test_files_that_are_no_images_and_hidden_ones_are_left_out(tmp_path, caplog):
    fill(tmp_path, "cat", "dog", ".thumbnails", "__MACOSX")
    for name in ("cat/notes.txt", "dog/0.heic", "cat/.DS_Store", "dog/._0.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "cat/0.png").rename(tmp_path / "cat/0.PNG")
    dataset = load(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert len(dataset.table()) == 8
    assert "1 .txt" in caplog.text
    assert "1 .heic" in caplog.text


def test_classes_set_the_order_of_class_folders_and_never_rename_them(tmp_path):
    dataset = load(fill(tmp_path, "cat", "dog"), classes=["dog", "cat"])
    assert dataset.classes == ("dog", "cat")
    split = dataset.split("train")
    np.testing.assert_array_equal(split.inputs[:, 0, 4, 4] < 20, split.labels == 1)  # the cats are darker
    for wrong in (["kitten", "puppy"], ["cat"], ["cat", "dog", "bird"]):
        with pytest.raises(ConfigError, match=r"dataset\.classes: .* has the classes cat, dog, got"):
            load(tmp_path, classes=wrong)


def test_a_table_labels_the_images_beside_it(tmp_path):
    fill(tmp_path, ".", n=10)
    table = pd.DataFrame({"file_name": [f"{i}.png" for i in range(10)], "label": [i % 2 for i in range(10)]})
    table.to_csv(tmp_path / "metadata.csv", index=False)
    split = load(tmp_path, classes=["even", "odd"]).split("train")
    np.testing.assert_array_equal(split.inputs[:, 0, 4, 4] % 2, split.labels)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["01", "1"], ("01", "1")),
        (["none", "bar"], ("bar", "none")),
        (["NA", "US"], ("NA", "US")),
        (["12345678901234567890", "12345678901234567891"], ("12345678901234567890", "12345678901234567891")),
        (["1.0", "nan", "2"], ("1", "2")),
    ],
)
def test_names_of_classes_in_a_table_are_taken_as_written(tmp_path, labels, classes):
    fill(tmp_path, ".", n=12)
    rows = [f"{i}.png,{labels[i % len(labels)]}" for i in range(12)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    assert load(tmp_path).classes == classes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("0.png", r'row 12, column file_name: expected a file that no row above names, got "0\.png"'),
        ("", "row 12, column file_name: expected the name of a file, got an empty cell"),
    ],
)
def test_each_row_of_a_table_of_labels_names_a_file_of_its_own(tmp_path, name, message):
    fill(tmp_path, ".", n=12)
    rows = [f"{i}.png,{'ab'[i % 2]}" for i in range(11)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *rows, f"{name},b"]))
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_class_that_the_split_leaves_no_example_for_training_is_noticed(tmp_path):
    fill(tmp_path, "cat", n=15)
    fill(tmp_path, "dog", n=1)
    with pytest.raises(DataError, match="expected at least two classes of training examples, got only cat"):
        load(tmp_path)


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("~/photos" if fill(tmp_path / "photos", "cat", "dog") else "").classes == ("cat", "dog")


def test_links_are_followed_but_not_in_circles(tmp_path):
    fill(tmp_path / "stored", "a", "b")
    (tmp_path / "photos").mkdir()
    for ours, theirs in (("cat", "a"), ("dog", "b")):
        (tmp_path / "photos" / ours).symlink_to(tmp_path / "stored" / theirs)
    (tmp_path / "stored/a/loop").symlink_to(tmp_path / "photos")
    assert load(tmp_path / "photos").classes == ("cat", "dog")


def test_a_class_of_which_nothing_can_be_read_is_noticed_before_training(tmp_path):
    fill(tmp_path, "cat", "dog", n=10)
    for path in (tmp_path / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="expected at least two classes of training examples, got only dog"):
        load(tmp_path).split("train")


def test_a_file_that_is_neither_folder_nor_parquet_is_refused(tmp_path):
    for name in ("photos.zip", "cat.png"):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(DataError, match="expected a folder or a Parquet file, got"):
            load(tmp_path / name)
