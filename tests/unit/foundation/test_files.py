"""Files: whole or not at all, and clear errors for what cannot be read."""

import pytest

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import read_json, write_json


def test_json_reads_back_and_refuses_what_is_not_json(tmp_path):
    write_json({"a": [1, 2.5, None]}, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None]}
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_json(tmp_path / "b.json")
