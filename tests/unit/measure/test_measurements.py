"""The measurements table: joining, extra latencies, and what is refused."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nagevo.foundation.errors import DataError, DeviceError
from nagevo.foundation.tables import write_table
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.measure.rounds import join_rounds, join_shards, read_rounds
from nagevo.spaces import create_space


@pytest.fixture(scope="module")
def space():
    return create_space("nasbench201")


@pytest.fixture
def measured(space) -> Measurements:
    choices = space.sample_distinct(4, rng=np.random.default_rng(0))
    latency_ms = {"a": np.array([1.0, 2.0, np.nan, 4.0]), "b": np.array([4.0, 3.0, 2.0, 1.0])}
    return Measurements(choices, np.array([EXTRA_ROUND, 0, 0, 1]), np.array([np.nan, 50.0, 60.0, 70.0]), latency_ms)


def test_a_table_reads_back_as_it_was_written(space, measured):
    again = Measurements.from_frame(measured.to_frame(space), space)
    np.testing.assert_array_equal(again.choices, measured.choices)
    np.testing.assert_array_equal(again.accuracy, measured.accuracy)
    assert again.devices == ("a", "b")


def test_what_was_read_beside_accuracies_stays_with_its_rows(space, measured):
    read = {"standard_error": np.array([np.nan, 1.0, 2.0, 3.0]), "cross_entropy": np.array([np.nan, 0.1, 0.2, 0.3])}
    frame = replace(measured, readings=read).to_frame(space)
    assert frame.columns.tolist()[2:5] == ["accuracy", "standard_error", "cross_entropy"]
    again = Measurements.from_frame(frame, space)
    np.testing.assert_array_equal(again.rows(again.round == 0).readings["standard_error"], [1.0, 2.0])
    longer = again.extended(measured.rows(measured.round < 0))
    np.testing.assert_array_equal(longer.readings["cross_entropy"], [np.nan, 0.1, 0.2, 0.3, np.nan])


def test_each_column_is_named_by_the_quantity_of_its_device(space, measured):
    frame = replace(measured, quantities={"b": "energy_mj"}).to_frame(space)
    assert frame.columns.tolist() == ["architecture", "round", "accuracy", "latency_ms_a", "energy_mj_b"]
    assert Measurements.from_frame(frame, space).quantities == {"a": "latency_ms", "b": "energy_mj"}


def test_reasons_of_failures_are_kept_by_device(space, measured):
    reasons = np.array(["", "", "out of memory", ""], dtype=object)
    again = Measurements.from_frame(replace(measured, failures={"a": reasons}).to_frame(space), space)
    assert again.failures["a"].tolist() == reasons.tolist()
    assert again.rows(again.round == 0).failed("a").tolist() == [False, True]
    assert again.extended(measured.rows(measured.round < 0)).failed("a").sum() == 1
    assert not again.with_values("a", again.choices[2:3], np.array([3.0])).failed("a").any()
    assert not again.failed("b").any()


def test_latencies_without_an_accuracy_are_no_evaluations(measured):
    assert (len(measured), measured.n_evaluations, measured.n_rounds) == (4, 3, 2)
    assert [len(rows) for rows in measured.rounds()] == [2, 1]


def test_complete_rows_have_both_numbers_on_the_device(measured):
    assert measured.complete("a").accuracy.tolist() == [50.0, 70.0]
    assert measured.complete("b").objectives("b").tolist() == [[50.0, 3.0], [40.0, 2.0], [30.0, 1.0]]


def test_a_device_that_was_never_measured_is_nan_throughout(measured):
    assert np.isnan(measured.for_devices(["c"]).values["c"]).all()


def test_an_architecture_evaluated_after_its_latency_was_read_counts_once(tmp_path, space, measured):
    first = measured.to_frame(space).iloc[:1]
    later = first.assign(round=0, accuracy=55.0)
    write_table(first, tmp_path / "first.parquet")
    write_table(later, tmp_path / "later.parquet")
    joined = Measurements.from_files([tmp_path / "first.parquet", tmp_path / "later.parquet"], space)
    assert joined.accuracy.tolist() == [55.0]


def test_an_architecture_that_stands_in_a_table_twice_is_refused(space, measured):
    frame = measured.to_frame(space)
    with pytest.raises(DataError, match="name an architecture twice"):
        Measurements.from_frame(pd.concat([frame, frame.iloc[1:2]]), space)


@pytest.mark.parametrize("latency", [0.0, -1.0, np.inf])
def test_a_latency_that_is_not_positive_and_finite_is_refused(space, measured, latency):
    with pytest.raises(DataError, match=r"row 1, column latency_ms_a: expected a number from 1e-12 to 1e\+12, got"):
        Measurements.from_frame(measured.to_frame(space).assign(latency_ms_a=latency), space)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("round", 0.5, "expected a whole number from -1, got 0.5"),
        ("round", None, "expected a whole number from -1, got an empty cell"),
        ("accuracy", 150.0, "expected percent from 0 to 100, got 150.0"),
        ("accuracy", "high", 'expected a number, got "high"'),
        ("latency_ms_a", True, 'expected a number, got "True"'),
        ("energy_mj_b", -1.0, "expected a number from 1e-12 to 1e+12, got -1.0"),
        ("again_0_a", "fast", 'expected a number, got "fast"'),
        ("again_0_a", -1.0, "expected a number from 1e-12 to 1e+12, got -1.0"),
    ],
)
def test_a_wrong_cell_is_named_with_its_file_row_and_column(tmp_path, space, measured, column, value, message):
    frame = measured.to_frame(space)
    frame["energy_mj_b"] = frame["again_0_a"] = 1.0
    write_table(frame, tmp_path / "fine.csv")
    frame[column] = frame[column].astype(object)
    frame.loc[1, column] = value
    write_table(frame, tmp_path / "wrong.csv")
    with pytest.raises(DataError, match=rf"^table [^,]*wrong\.csv, row 2, column {column}: {re.escape(message)}"):
        Measurements.from_files([tmp_path / "fine.csv", tmp_path / "wrong.csv"], space)


def test_a_column_of_later_values_without_a_device_is_named(space, measured):
    with pytest.raises(DataError, match="expected a column again_<occasion>_<device>, got again_0"):
        Measurements.from_frame(measured.to_frame(space).assign(again_0=1.0), space)


def latencies(values):
    """Return the table of the device ``a`` with some latencies."""
    rows = {"architecture": list(values), "device": "a", "latency_ms": list(values.values())}
    return pd.DataFrame({**rows, "status": np.where(np.isnan(rows["latency_ms"]), "it burned", "ok")})


def test_shards_of_accuracies_and_latencies_become_one_table():
    table = join_shards(
        {
            "0": pd.DataFrame({"architecture": ["x"], "accuracy": [1.0], "status": "ok"}),
            "1": pd.DataFrame({"architecture": ["y"], "accuracy": [2.0], "status": "ok"}),
            "a": latencies({"y": 0.2, "x": 0.1, "z": 0.3}),
        }
    )
    assert table.loc["y"].tolist() == [2.0, 0.2]
    assert np.isnan(table.loc["z", "accuracy"])
    assert table["latency_ms_a"].loc[["x", "y", "z"]].tolist() == [0.1, 0.2, 0.3]


def test_shards_keep_quantities_and_reasons():
    rows = {"architecture": ["x", "y"], "device": "meter", "energy_mj": [3.0, np.nan], "status": ["ok", "it burned"]}
    table = join_shards({"meter": pd.DataFrame(rows)})
    assert table.columns.tolist() == ["energy_mj_meter", "failure_meter"]
    assert table["failure_meter"].tolist() == ["", "it burned"]


def test_what_was_measured_beyond_the_proposals_belongs_to_no_round():
    table = join_rounds([["x"], ["y"]], {"a0": latencies({"x": 0.1, "y": 0.2, "z": 0.3}), "a1": latencies({"y": 0.25})})
    assert dict(zip(table["architecture"], table["round"], strict=True)) == {"z": EXTRA_ROUND, "x": 0, "y": 1}
    assert dict(zip(table["architecture"], table["latency_ms_a"], strict=True)) == {"z": 0.3, "x": 0.1, "y": 0.25}
    assert table["accuracy"].isna().all()


def test_a_first_round_that_failed_as_a_whole_is_refused():
    shards = {"0": latencies({"x": np.nan}), "1": latencies({"y": np.nan})}
    with pytest.raises(DeviceError, match="2 of 2 failed on a, the first: it burned"):
        join_rounds([["x", "y"]], shards)
    assert len(join_rounds([["x", "z"], ["y"]], {"0": latencies({"z": 0.1}), **shards})) == 3


def test_rounds_are_read_from_the_files_of_proposals_and_shards(space, tmp_path):
    texts = space.to_text(space.extremes())
    tables = {
        "proposals": pd.DataFrame({"architecture": texts}),
        "0": pd.DataFrame({"architecture": texts, "accuracy": [1.0, 2.0], "status": "ok"}),
        "a": latencies(dict(zip(texts, [0.1, 0.2], strict=True))),
    }
    for name, table in tables.items():
        write_table(table, tmp_path / f"{name}.parquet")
    told = read_rounds([tmp_path / f"{name}.parquet" for name in tables], space)
    assert told.round.tolist() == [0, 0]
    assert told.accuracy.tolist() == [1.0, 2.0]
    assert told.values["a"].tolist() == [0.1, 0.2]
