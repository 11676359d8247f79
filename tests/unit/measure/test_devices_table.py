import math

import numpy as np
import pandas as pd
import pytest

from nagevo.foundation.errors import DataError
from nagevo.measure.latency import create_device
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

SPACE = MobileNetV3Space()


def test_latencies_that_are_none_are_rows_with_a_status(tmp_path):
    choices = SPACE.sample_distinct(6, rng=np.random.default_rng(0))
    values = [2.5, -1.0, 0.0, math.inf, math.nan]
    path = tmp_path / "latencies.parquet"
    pd.DataFrame({"architecture": SPACE.to_text(choices[:5]), "phone": values}).to_parquet(path)
    rows = create_device("table", path=str(path), column="phone").measure(SPACE, choices)
    np.testing.assert_array_equal(rows["latency_ms"], [2.5] + [math.nan] * 5)
    invalid, absent = "not a number from 1e-12 to 1e+12", f"unknown: not in {path}"
    assert rows["status"].tolist() == ["ok", invalid, invalid, invalid, absent, absent]


def test_an_absent_table_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv does not exist"):
        create_device("table", path=str(tmp_path / "none.csv")).measure(SPACE, SPACE.extremes())


def test_an_energy_is_in_a_column_of_its_name(tmp_path):
    text = SPACE.to_text(SPACE.extremes())
    path = tmp_path / "t.csv"
    pd.DataFrame({"architecture": text, "energy_mj": [3.0, 5.0]}).to_csv(path, index=False)
    rows = create_device("table", path=path, measures="energy_mj").measure(SPACE, SPACE.extremes())
    assert rows["energy_mj"].tolist() == [3.0, 5.0]
    assert "latency_ms" not in rows
