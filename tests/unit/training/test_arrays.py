"""Numbers of any shape: windows of signals and the like."""

import numpy as np
import pandas as pd
import pytest
import torch

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.spaces.base import SearchSpace
from nagevo.training.augmentation import changed_arrays
from nagevo.training.datasets import check_fits, described_inputs, load_dataset
from nagevo.training.datasets.inputs import ArrayInputs
from nagevo.training.examples import Examples
from nagevo.training.recipe import Recipe

SHAPE = (2, 5)


def windows(n: int = 30) -> dict[str, np.ndarray]:
    """Return windows of two channels, whose values tell their class and their number."""
    numbers = np.arange(n, dtype=np.float64)
    inputs = np.stack([np.repeat(numbers[:, None], 5, 1), 100 + np.repeat(numbers[:, None], 5, 1)], axis=1)
    return {"inputs": inputs, "labels": np.where(numbers % 3 == 0, "fall", "walk")}


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "windows.npz", **arrays)
    return str(tmp_path / "windows.npz")


def load(path, shape=SHAPE, **options):
    return load_dataset("arrays", shape, path=path, **options)


def test_arrays_are_split_and_keep_their_labels(tmp_path):
    dataset = load(saved(tmp_path, **windows()), validation=6, test=9)
    assert (dataset.name, dataset.classes) == ("windows", ("fall", "walk"))
    seen = []
    for name, n in (("train", 15), ("validation", 6), ("test", 9)):
        split = dataset.split(name)
        assert split.inputs.shape == (n, 2, 5)
        assert split.inputs.dtype == np.float32
        np.testing.assert_array_equal(split.inputs[:, 0, 0] % 3 != 0, split.labels == 1)
        seen += split.inputs[:, 0, 0].tolist()
    assert sorted(seen) == list(range(30))


def test_parquet_holds_the_same(tmp_path):
    arrays = windows()
    table = pd.DataFrame({"inputs": arrays["inputs"].tolist(), "labels": arrays["labels"]})
    table.to_parquet(tmp_path / "windows.parquet")
    from_parquet = load(str(tmp_path / "windows.parquet")).split("train")
    from_npz = load(saved(tmp_path, **arrays)).split("train")
    np.testing.assert_array_equal(from_parquet.inputs, from_npz.inputs)
    np.testing.assert_array_equal(from_parquet.labels, from_npz.labels)


def test_splits_of_the_file_are_kept(tmp_path):
    split = np.array(["Train"] * 20 + ["val"] * 4 + ["TEST"] * 6)
    dataset = load(saved(tmp_path, **windows(), split=split))
    assert [len(dataset.labels(name)) for name in ("train", "validation", "test")] == [20, 4, 6]
    assert sorted(dataset.split("test").inputs[:, 0, 0]) == [24, 25, 26, 27, 28, 29]


def test_channels_are_normalized_by_the_training_split(tmp_path):
    dataset = load(saved(tmp_path, **windows()), validation=5, test=5)
    x, _ = next(Examples.of(dataset.split("train"), dataset.form).batches(100))
    torch.testing.assert_close(x.mean((0, 2)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std((0, 2), correction=0), torch.ones(2), atol=1e-5, rtol=0)
    given = load(saved(tmp_path, **windows()), mean=[1, 101], std=[2, 2]).form
    torch.testing.assert_close(given.prepared(torch.tensor([[[3.0], [103.0]]])), torch.ones(1, 2, 1))


def test_a_constant_channel_is_not_divided_by_zero():
    assert ArrayInputs((2, 3)).fitted(np.full((4, 2, 3), 7.0)).std == (1.0, 1.0)


def test_rows_that_are_not_finite_are_left_out(tmp_path, caplog):
    arrays = windows()
    arrays["inputs"][[3, 4], 0, 1] = np.nan, np.inf
    dataset = load(saved(tmp_path, **arrays), validation=5, test=5)
    assert sum(len(dataset.split(name)) for name in ("train", "validation", "test")) == 28
    assert "holds values that are not finite" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "has no array labels; it has inputs"),
        ({"inputs": np.array(["a", "b"])}, r"expected inputs of numbers, shape \(n, …\), got <U1 of shape \(2,\)"),
        ({"inputs": np.zeros(30)}, r"expected inputs of numbers, .* got float64 of shape \(30,\)"),
        ({"inputs": np.zeros((30, 2), dtype=complex)}, "expected inputs of numbers"),
        ({"labels": np.zeros(29, dtype=int)}, "expected as many labels as inputs, 30, got 29"),
        ({"labels": np.zeros(30, dtype=int)}, "expected at least two classes of training examples, got only 0"),
        ({"labels": np.linspace(0, 1, 30)}, r"row 2: expected a class .*, got 0\.03448275862068\d+ \(float\)"),
        ({"split": np.array(["train"] * 29 + ["holdout"])}, "row 30: expected as split one of train, .*, got holdout"),
        ({"inputs": np.array([{}] * 30)}, "cannot be read as npz"),
    ],
)
def test_arrays_of_something_else_are_one_clear_line(tmp_path, change, message):
    arrays = {name: value for name, value in (windows() | change).items() if value is not None}
    with pytest.raises(DataError, match=message):
        load(saved(tmp_path, **arrays))


def test_files_of_something_else_are_one_clear_line(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.path: .*none\.npz does not exist"):
        load(str(tmp_path / "none.npz"))
    (tmp_path / "damaged.npz").write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match=r"damaged\.npz cannot be read as npz"):
        load(str(tmp_path / "damaged.npz"))
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match="expected several named arrays"):
        load(str(tmp_path / "one.npy"))
    pd.DataFrame({"inputs": [[1.0], [1.0, 2.0]], "labels": [0, 1]}).to_parquet(tmp_path / "ragged.parquet")
    with pytest.raises(DataError, match=r"row 2: expected inputs of shape \(1,\), got \(2,\)"):
        load(str(tmp_path / "ragged.parquet"))


def test_options_of_images_are_refused(tmp_path):
    path = saved(tmp_path, **windows())
    with pytest.raises(ConfigError, match=r"dataset\.crop: the dataset windows holds arrays, which have none"):
        load(path, crop=0.5)
    with pytest.raises(ConfigError, match=r"training\.flip: .* arrays, .* choose from noise, amplitude"):
        load(path).form.check(Recipe(flip=True))
    load(path).form.check(Recipe(noise=0.1))


class Space(SearchSpace):
    """A space that takes inputs of one shape."""

    n_options, choice_names = (2,), ("a",)

    def __init__(self, shape, classes=2, vocabulary=None):
        self.shape, self.classes, self.vocabulary = shape, classes, vocabulary

    input_shape = property(lambda self: self.shape)
    to_text = _parse = None


def test_a_space_of_another_shape_or_kind_is_one_clear_line(tmp_path):
    path = saved(tmp_path, **windows())
    check_fits(load(path), Space(SHAPE))
    with pytest.raises(ConfigError, match=r"dataset windows has inputs of shape \(2, 5\), but .* takes \(2, 6\)"):
        check_fits(load(path, (2, 6)), Space((2, 6)))
    with pytest.raises(ConfigError, match=r"has 2 classes, but .* has 3: set space\.classes"):
        check_fits(load(path), Space(SHAPE, classes=3))
    with pytest.raises(ConfigError, match=r"windows holds arrays, but .* takes tokens"):
        check_fits(load(path), Space(SHAPE, vocabulary=7))
    with pytest.raises(ConfigError, match=r"takes inputs of shape \(6, 128\), but the dataset holds images"):
        load_dataset("mnist5k", (6, 128))


def test_inputs_are_described_and_made_anew_from_it(tmp_path):
    form = load(saved(tmp_path, **windows())).form
    assert described_inputs(list(form.shape), form.describe()) == form
    assert form.describe()["inputs"] == "arrays"
    assert "A value is given as `(value - mean) / std`" in next(form.sentences())
    assert described_inputs([1], {}) is None


def test_noise_and_amplitude_change_arrays_as_much_as_asked():
    values, rng = torch.ones(400, 2, 50), torch.Generator().manual_seed(0)
    noisy = changed_arrays(values, [1.0, 10.0], Recipe(noise=0.2), rng) - 1
    assert noisy.std((0, 2)).tolist() == pytest.approx([0.2, 2.0], rel=0.05)
    scaled = changed_arrays(values, [1.0, 1.0], Recipe(amplitude=0.3), rng)
    assert (scaled == scaled[:, :1, :1]).all()
    assert scaled.min().item() == pytest.approx(0.7, abs=0.02)
    assert scaled.max().item() == pytest.approx(1.3, abs=0.02)
