"""Labels as people have them."""

import datetime
import math
from decimal import Decimal

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.training.datasets.labels import classify


def classified(train, **options):
    classes, indices = classify({"train": train}, "dataset d", **options)
    return classes, indices["train"].tolist()


@pytest.mark.parametrize(
    ("stored", "classes", "indices"),
    [
        ([2, 0, 1, 1], ("0", "1", "2"), [2, 0, 1, 1]),
        ([-1, 1, 1, -1], ("-1", "1"), [0, 1, 1, 0]),
        ([10**15, 7, 7, 10**15], ("7", str(10**15)), [1, 0, 0, 1]),
        ([2**63 + 1, 0, 0], ("0", str(2**63 + 1)), [1, 0, 0]),
        ([1, 3, 3, 1], ("1", "3"), [0, 1, 1, 0]),
        ([True, False, True], ("False", "True"), [1, 0, 1]),
        ([1.0, 0.0, math.nan, 1.0], ("0", "1"), [1, 0, -1, 1]),
        ([None, "cat", "", "dog", "cat"], ("cat", "dog"), [-1, 0, -1, 1, 0]),
        ([b"cat", b"dog", b"dog"], ("cat", "dog"), [0, 1, 1]),
        ([[3], [4], [3]], ("3", "4"), [0, 1, 0]),
        (["a", 1, "a", 1], ("1", "a"), [1, 0, 1, 0]),
        ([0, "0", 1, "1"], ("0", "1"), [0, 0, 1, 1]),
        ([Decimal(1), Decimal("0.0"), Decimal(1)], ("0", "1"), [1, 0, 1]),
        ([Decimal(1), Decimal("NaN"), Decimal(0), Decimal(1)], ("0", "1"), [1, -1, 0, 1]),
        ([" cat", "cat ", "dog", " "], ("cat", "dog"), [0, 0, 1, -1]),
        (np.array([1, 0, 1], dtype=np.uint8), ("0", "1"), [1, 0, 1]),
    ],
)
def test_labels_become_indices_of_named_classes(stored, classes, indices):
    assert classified(stored) == (classes, indices)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ([0, 0.37], r"dataset d, split train, row 2: expected a class .*, got 0\.37 \(float\)"),
        ([0, math.inf], r"row 2: expected a class .*, got inf \(float\)"),
        ([0, Decimal("Infinity")], r"row 2: expected a class .*, got Infinity \(Decimal\)"),
        ([0, [0, 1]], r"row 2: expected one label, got \[0, 1\]"),
        ([datetime.date(2026, 1, 1)], r"row 1: expected a class .*, got 2026-01-01 \(date\)"),
        ([{"a": 1}], r"row 1: expected a class .* \(dict\)"),
        ([7, 8, 9, 10], "expected classes, got a different label for each of 4 examples"),
    ],
)
def test_labels_that_name_no_classes_are_one_clear_line(stored, message):
    with pytest.raises(DataError, match=message):
        classified(stored)


@pytest.mark.parametrize("stored", [[0, 1, 1], [5, 6, 6], [-1, 1, 1], [False, True, True]])
def test_numbers_get_the_given_names_in_their_order(stored):
    assert classified(stored, classes=["no", "yes"]) == (("no", "yes"), [0, 1, 1])


def test_given_names_may_be_more_than_the_labels_that_occur():
    assert classified([0, 2, 2], classes=["a", "b", "c"]) == (("a", "b", "c"), [0, 2, 2])
    with pytest.raises(DataError, match="expected labels from 0 to 2, one for each class, got 0 to 3"):
        classified([0, 3, 3, 0], classes=["a", "b", "c"])
    with pytest.raises(ConfigError, match="expected different names, got a, a"):
        classified([0, 1, 1], classes=["a", "a"])


def test_names_of_the_dataset_are_kept_and_minus_one_is_no_label():
    assert classified([1, 0, -1, 1], names=["cat", "dog"]) == (("cat", "dog"), [1, 0, -1, 1])
    assert classified([1, 0, -1, 1], names=["cat", "dog"], classes=["dog", "cat"]) == (("dog", "cat"), [0, 1, -1, 0])
    with pytest.raises(ConfigError, match="has the classes cat, dog, got a, b"):
        classified([1, 0, 1], names=["cat", "dog"], classes=["a", "b"])


def test_a_split_whose_labels_are_all_minus_one_has_none():
    _, indices = classify({"train": [0, 1, 1], "test": [-1, -1]}, "d")
    assert indices["test"].tolist() == [-1, -1]
    classes, indices = classify({"train": [-1, 1, 1], "test": [-1, -1]}, "d")
    assert (classes, indices["test"].tolist()) == (("-1", "1"), [0, 0])
