"""Tables that commands print."""

import pytest

from nagevo.cli.printing import table_console


@pytest.mark.parametrize(("columns", "width"), [("40", 80), ("120", 120)])
def test_tables_are_not_cut_in_a_narrow_terminal(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    assert table_console().width == width
