"""Files: whole or not at all, and clear errors for what cannot be read."""

import pandas as pd
import pytest

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import read_json, replacing, write_json
from nagevo.foundation.tables import read_table, write_table


@pytest.mark.parametrize("name", ["table.parquet", "table.csv"])
def test_a_table_reads_back_as_it_was_written(tmp_path, name):
    frame = pd.DataFrame({"architecture": ["a", "b"], "accuracy": [1.5, 2.5]})
    write_table(frame, tmp_path / "new" / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / "new" / name, ("architecture",)), frame)


def test_a_file_keeps_its_content_when_writing_it_anew_fails(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_half_way():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


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


def test_json_reads_back_and_refuses_what_is_not_json(tmp_path):
    write_json({"a": [1, 2.5, None]}, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None]}
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_json(tmp_path / "b.json")


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
