"""Accuracies from tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.tables import write_table
from nagevo.measure.accuracy import create_evaluator
from nagevo.spaces.nasbench201.space import NASBench201Space

EMPTY = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
DEAD = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"  # computes what EMPTY computes
ALSO_DEAD = "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"  # not in the table
POOL = "|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|"
SQUARE = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"


@pytest.fixture
def path(tmp_path):
    rows = [(DEAD, 10.0, 11.0), (POOL, np.inf, 21.0), (EMPTY, 12.0, 13.0)]
    write_table(pd.DataFrame(rows, columns=["architecture", "accuracy", "test"]), tmp_path / "t.csv")
    return tmp_path / "t.csv"


def test_each_split_reads_its_column_and_what_cannot_be_read_has_a_status(path):
    space = NASBench201Space()
    evaluator = create_evaluator("table", space, path=path, column="accuracy", test_column="test")
    choices = space.from_text([POOL, SQUARE, EMPTY, DEAD])
    scores = evaluator.evaluate(choices)
    assert scores["accuracy"].tolist() == pytest.approx([np.nan, np.nan, 12.0, 10.0], nan_ok=True)
    assert scores["status"].tolist() == ["not between 0 and 100 percent", f"unknown: not in {path}", "ok", "ok"]
    assert evaluator.evaluate(choices[[0, 2]], split="test")["accuracy"].tolist() == [21.0, 13.0]


@pytest.mark.parametrize(("accuracies", "warned"), [((0.1, 0.9), True), ((0.1, 90.0), False), ((0.0, 0.0), False)])
def test_accuracies_that_look_like_fractions_are_said_to(tmp_path, caplog, accuracies, warned):
    write_table(pd.DataFrame({"architecture": [DEAD, POOL], "accuracy": accuracies}), tmp_path / "t.csv")
    create_evaluator("table", NASBench201Space(), path=tmp_path / "t.csv", column="accuracy")
    assert ("expected accuracies in percent, got none above 1: fractions?" in caplog.text) == warned


def test_without_a_column_for_the_test_split_both_splits_read_the_same(path):
    space = NASBench201Space()
    evaluator = create_evaluator("table", space, path=path, column="test")
    assert evaluator.evaluate(space.from_text([POOL]), split="test")["accuracy"].tolist() == [21.0]


@pytest.mark.parametrize(("merge_equal", "expected"), [(False, [10.0, 12.0, 12.0]), (True, [12.0, 12.0, 12.0])])
def test_equal_networks_have_values_of_their_own_unless_they_are_merged(path, merge_equal, expected):
    space = NASBench201Space(merge_equal=merge_equal)
    evaluator = create_evaluator("table", space, path=path, column="accuracy")
    assert evaluator.evaluate(space.from_text([DEAD, EMPTY, ALSO_DEAD]))["accuracy"].tolist() == expected


def test_a_table_or_column_that_cannot_be_used_is_refused_at_once(path):
    with pytest.raises(DataError, match="lacks the column exam"):
        create_evaluator("table", NASBench201Space(), path=path, column="accuracy", test_column="exam")
    with pytest.raises(ConfigError, match="column"):
        create_evaluator("table", NASBench201Space(), path=path)


def test_the_published_table_is_read_whole(shared_data):
    path, space = shared_data / "nasbench201.parquet", NASBench201Space()
    frame = pd.read_parquet(path)
    columns = {"validation": "cifar100_valid_accuracy", "test": "cifar100_test_accuracy"}
    evaluator = create_evaluator("table", space, path=path, column=columns["validation"], test_column=columns["test"])
    choices = space.from_text(frame["architecture"].tolist())
    for split, column in columns.items():
        assert (evaluator.evaluate(choices, split=split)["accuracy"] == frame[column]).all()
