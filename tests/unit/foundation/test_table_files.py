"""Tables on disk: read as their names say, and refused with file, row, column and value."""

import datetime
import decimal
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nagevo.foundation.errors import DataError
from nagevo.foundation.tables import number_column, read_table, text_column, write_table

HEADING = "architecture,latency_ms\n"


@pytest.mark.parametrize("name", ["t.parquet", "T.PARQUET", "t.csv", "t.CSV", "t.tsv", "t.txt", "t.csv.gz"])
def test_a_table_reads_back_as_it_was_written(tmp_path, name):
    frame = pd.DataFrame(
        {"architecture": ["0111", "a,b"], "accuracy": [1.5, 2.5], "n": [1, 2], "feasible": [True, False]}
    )
    write_table(frame, tmp_path / "new" / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / "new" / name, ("architecture",)), frame)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted as Linux lists them")
def test_reading_parquet_leaves_no_threads_behind(tmp_path):
    write_table(pd.DataFrame({"architecture": ["a"] * 1000, "n": range(1000)}), tmp_path / "t.parquet")
    script = """
import os, sys, pandas, pyarrow.parquet
from nagevo.foundation.tables import read_table
before = len(os.listdir("/proc/self/task"))
read_table(sys.argv[1])
print(len(os.listdir("/proc/self/task")) - before)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "t.parquet")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "0\n"


def test_a_damaged_table_is_named(tmp_path):
    path = tmp_path / "damaged.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"damaged\.parquet cannot be read"):
        read_table(path)


def test_a_missing_column_is_named_beside_those_there_are(tmp_path):
    write_table(pd.DataFrame({"name": ["a"]}), tmp_path / "t.csv")
    with pytest.raises(DataError, match="lacks the column architecture; it has name"):
        read_table(tmp_path / "t.csv", ("architecture",))


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "none.parquet")


def test_a_column_whose_name_is_damaged_is_no_other_column(tmp_path):
    write_table(pd.DataFrame({"architecture": ["a"], "latency_ms_phone": [1.5]}), tmp_path / "t.parquet")
    content, name = (tmp_path / "t.parquet").read_bytes(), b"latency_ms_phone"
    places = [place for place in range(len(content)) if content.startswith(name, place)]

    def columns(place: int) -> tuple[str, ...] | None:
        damaged = content[:place] + b"latency_ms_phony" + content[place + len(name) :]
        (tmp_path / "t.parquet").write_bytes(damaged)
        try:
            return tuple(read_table(tmp_path / "t.parquet"))
        except DataError:
            return None

    assert {columns(place) for place in places} == {("architecture", "latency_ms_phone"), None}


def test_a_table_of_another_program_needs_no_header(tmp_path):
    frame = pd.DataFrame({"architecture": ["a"], "accuracy": [1.5]})
    frame.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), frame)


def read(tmp_path, content: str | bytes, name: str = "t.csv") -> pd.DataFrame:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(tmp_path / name, ("architecture", "latency_ms"))


@pytest.mark.parametrize(
    ("row", "cells"), [("1.00,2,80", 3), ("1.00", 1), ("1.00,2,", 3)], ids=["more", "fewer", "one empty more"]
)
def test_a_row_of_another_length_is_refused_with_file_and_row(tmp_path, row, cells):
    with pytest.raises(DataError, match=rf"t\.csv, row 2 \(line 4\): expected 2 cells.*, got {cells}: \"{row}\""):
        read(tmp_path, f"{HEADING}0.75,1\n\n{row}\n")


def test_texts_of_digits_stay_texts_where_architectures_stand(tmp_path):
    frame = read(tmp_path, f"{HEADING}0111,2\n1000,3\n")
    assert text_column(frame, "architecture", "t") == ["0111", "1000"]
    assert frame["latency_ms"].tolist() == [2, 3]


def test_a_column_named_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"t\.csv names a column twice: latency_ms"):
        read(tmp_path, "architecture,latency_ms, latency_ms\na,1,2\n")


@pytest.mark.parametrize("name", ["t.xlsx", "t.json", "t", "t.parquet.gz", "t.gz"])
def test_a_name_that_says_no_format_is_refused_for_reading_and_writing(tmp_path, name):
    with pytest.raises(DataError, match=r"expected a name that ends in one of \.parquet, \.csv"):
        read(tmp_path, HEADING, name)
    with pytest.raises(DataError, match=r"expected a name that ends in one of \.parquet, \.csv"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffarchitecture,latency_ms\r\na,1.5\r\nb,2\r\n",
        "architecture;latency_ms\na;1,5\nb;2\n",
        "sep=;\narchitecture;latency_ms\na;1.5\nb;2\n",
        "architecture\tlatency_ms\na\t1,5\nb\t2,0\n",
        ' architecture , "latency_ms"\n"a", 1.5\n\n"b",2e0\n,\n',
        ",architecture,latency_ms\n0,a,1.5\n1,b,2\n",
        "architecture,latency_ms,,\na,1.5,,\nb,2,,\n",
        "architecture,latency_ms\na,1.5\nb,2\n".encode("utf-16"),
        gzip.compress(b"architecture,latency_ms\na,1.5\nb,2\n"),
    ],
    ids=["mark", "semicolons", "excel", "tabs", "blanks", "index", "trailing", "utf16", "gzip"],
)
def test_the_dialects_of_spreadsheets_are_read(tmp_path, content):
    frame = read(tmp_path, content)
    assert list(frame) == ["architecture", "latency_ms"]
    assert text_column(frame, "architecture", "t") == ["a", "b"]
    assert number_column(frame, "latency_ms", "t").tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (f'{HEADING}"a,1\n', "line 2: unexpected end of data"),
        ("architecture,latency_ms,\na,1,7\n", 'row 1, column 3 has no heading: got "7"'),
        (f"{HEADING}é,1\n".encode("latin-1"), "line 2: expected text in UTF-8, got the byte 0xe9"),
        (b"\x1f\x8bnonsense", "cannot be read"),
        (b"PAR1nonsense", "is a Parquet file: give it a name that ends in .parquet"),
    ],
)
def test_a_text_that_is_not_a_table_is_one_clear_line(tmp_path, content, message):
    with pytest.raises(DataError, match=f"t\\.csv.*{message}"):
        read(tmp_path, content)


def test_a_folder_is_not_a_table(tmp_path):
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(DataError, match=r"t\.csv is a folder"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "value",
    [
        datetime.timedelta(seconds=1),
        datetime.datetime(2026, 1, 1),
        datetime.date(2026, 1, 1),
        True,
        [1],
        1j,
        "fast",
        "True",
        "2026-01-01",
        "0:00:05",
        "1,234",
        "80%",
        "0x10",
        "1_000",
        "٣",
    ],
)
def test_a_value_that_is_not_a_number_is_named_with_its_row_and_column(tmp_path, value):
    frame = pd.DataFrame({"architecture": ["a", "b"], "latency_ms": pd.Series([None, value], dtype=object)})
    with pytest.raises(DataError, match="t, row 2, column latency_ms: expected a number, got "):
        number_column(frame, "latency_ms", "t")


@pytest.mark.parametrize("values", [[True, False], [datetime.timedelta(1)] * 2, [datetime.datetime(2026, 1, 1)] * 2])
def test_columns_of_booleans_durations_and_dates_are_not_numbers_in_any_format(tmp_path, values):
    frame = pd.DataFrame({"architecture": ["a", "b"], "latency_ms": values})
    for name in ("t.csv", "t.parquet"):
        write_table(frame, tmp_path / name)
        with pytest.raises(DataError, match="row 1, column latency_ms: expected a number"):
            number_column(read_table(tmp_path / name), "latency_ms", "t")


def test_numbers_in_other_types_are_numbers_and_empty_cells_are_nan():
    cells = [decimal.Decimal("1.5"), "2.5", " 3e-5 ", 4, np.float32(5), None, "", "NA", "-", float("nan"), pd.NaT]
    values = number_column(pd.DataFrame({"x": pd.Series(cells, dtype=object)}), "x", "t")
    np.testing.assert_allclose(values, [1.5, 2.5, 3e-5, 4, 5, *[np.nan] * 6])


def test_of_decimal_commas_the_value_that_breaks_them_is_named(tmp_path):
    frame = read(tmp_path, "architecture;latency_ms\na;2,5\nb;1.234,5\n")
    with pytest.raises(DataError, match=r'row 2, column latency_ms: expected a number, got "1\.234,5"'):
        number_column(frame, "latency_ms", "t")


def test_an_architecture_that_is_empty_or_not_text_is_named_with_its_row(tmp_path):
    with pytest.raises(DataError, match="t, row 2, column architecture: expected text, got an empty cell"):
        text_column(read(tmp_path, f"{HEADING}a,1\n,2\n"), "architecture", "t")
    with pytest.raises(DataError, match=r"t, row 1, column architecture: expected text, got 111 \(int\)"):
        text_column(pd.DataFrame({"architecture": [111]}), "architecture", "t")


def test_an_index_that_pandas_stored_is_a_column(tmp_path):
    pd.DataFrame({"architecture": ["a"], "latency_ms": [1.0]}).set_index("architecture").to_parquet(tmp_path / "t.pq")
    assert list(read_table(tmp_path / "t.pq", ("architecture", "latency_ms"))) == ["architecture", "latency_ms"]


def test_rows_of_a_part_of_a_table_in_parquet_are_counted_from_1(tmp_path):
    pd.DataFrame({"a": ["x", None, "y"]})[1:].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="row 1, column a: expected text, got an empty cell"):
        text_column(read_table(tmp_path / "t.parquet"), "a", "table")
