"""Files: whole or not at all, and clear errors for what cannot be read."""

import pytest

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import read_json, replacing, write_json


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


def test_json_reads_back_and_refuses_what_is_not_json(tmp_path):
    write_json({"a": [1, 2.5, None]}, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None]}
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_json(tmp_path / "b.json")
