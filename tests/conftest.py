"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of public benchmark data; skip the test where it is absent."""
    folder = Path(os.environ.get("NAGEVO_DATA", DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(f"no benchmark data in {folder}; set NAGEVO_DATA to the folder that holds nasbench201.parquet")
    return folder
