import numpy as np
import pandas as pd
import pytest

from nagevo.foundation.errors import DataError
from nagevo.measure.tables import ArchitectureTable, read_architectures
from nagevo.spaces import create_space
from nagevo.spaces.base import SearchSpace


class Pairs(SearchSpace):
    """Two letters of which the order does not matter: ``ba`` means the same network as ``ab``."""

    n_options = (3, 3)
    choice_names = ("first", "second")
    size = 6

    def canonical(self, choices):
        return np.sort(choices, axis=1)

    def to_text(self, choices):
        return ["".join("abc"[i] for i in row) for row in choices]

    def _parse(self, text):
        return ["abc".index(letter) for letter in text]


SPACE = Pairs()


def table(tmp_path, architectures, values, name="t.csv"):
    frame = pd.DataFrame({"architecture": architectures, "value": values})
    path = tmp_path / name
    frame.to_csv(path, index=False) if name.endswith("csv") else frame.to_parquet(path)
    return ArchitectureTable(path, "value")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_values_come_in_the_order_asked_and_absent_ones_are_nan(tmp_path, name):
    found = table(tmp_path, ["aa", "ab", "cc"], [1.0, 2.0, 3.0], name).values(
        SPACE, SPACE.from_text(["cc", "bb", "aa"])
    )
    np.testing.assert_array_equal(found, [3.0, np.nan, 1.0])


def test_a_text_that_means_the_same_network_finds_its_value(tmp_path):
    assert table(tmp_path, ["ba"], [2.0]).values(SPACE, SPACE.from_text(["ab", "ba"])).tolist() == [2.0, 2.0]


def test_the_canonical_text_prevails_over_others_that_mean_the_same_network(tmp_path):
    assert table(tmp_path, ["ba", "ab", "ca"], [2.0, 5.0, 7.0]).values(
        SPACE, SPACE.from_text(["ba", "ac"])
    ).tolist() == [5.0, 7.0]


def test_no_architectures_and_an_empty_table_are_answered(tmp_path):
    assert table(tmp_path, ["ab"], [1.0]).values(SPACE, np.empty((0, 2), dtype=np.int8)).shape == (0,)
    assert np.isnan(table(tmp_path, [], []).values(SPACE, SPACE.from_text(["ab"]))).all()


@pytest.mark.parametrize(
    ("architectures", "values", "message"),
    [
        (["ab", "xy"], [1.0, 2.0], "'xy' is not an architecture"),
        (["ab"], ["fast"], 'row 1, column value: expected a number, got "fast"'),
    ],
)
def test_a_table_of_something_else_is_an_error_that_names_the_file(tmp_path, architectures, values, message):
    with pytest.raises(DataError, match=rf"t\.csv.*{message}"):
        table(tmp_path, architectures, values).values(SPACE, SPACE.extremes())


def test_an_absent_file_or_column_is_an_error(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        ArchitectureTable(tmp_path / "none.csv", "value").values(SPACE, SPACE.extremes())
    found = table(tmp_path, ["ab"], [1.0])
    with pytest.raises(DataError, match="lacks the column speed; it has architecture, value"):
        ArchitectureTable(found.path, "speed").values(SPACE, SPACE.extremes())


LAYERS = "2,2,2,2,2:" + ":".join([",".join(["3,3,0,0"] * 5)] * 2)


def test_a_table_may_give_the_resolution_as_a_column(tmp_path):
    space = create_space("mobilenetv3", resolutions=[160, 224])
    rows = {"architecture": [LAYERS] * 3, "resolution": [160, 176, 224], "value": [1.0, 2.0, 3.0]}
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    asked = space.from_text([LAYERS, f"{LAYERS}@r160"])
    assert ArchitectureTable(tmp_path / "t.csv", "value").values(space, asked).tolist() == [3.0, 1.0]
    assert space.to_text(read_architectures(tmp_path / "t.csv", space)) == [f"{LAYERS}@r160", LAYERS]


def test_where_resolutions_are_not_chosen_their_column_does_not_matter(tmp_path):
    space = create_space("mobilenetv3")
    rows = {"architecture": [LAYERS], "resolution": [160], "value": [1.0]}
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    assert ArchitectureTable(tmp_path / "t.csv", "value").values(space, space.from_text([LAYERS])).tolist() == [1.0]


def test_measured_gpu_latencies_are_read_at_their_resolutions(shared_data):
    path = shared_data / "ofa_mobilenetv3" / "gpu_latencies.parquet"
    space = create_space("mobilenetv3", resolutions=[128, 160, 224])
    frame = pd.read_parquet(path)
    frame = frame[frame["resolution"].isin(space.resolutions)]
    table = ArchitectureTable(path, "latency_ms_v100_32")
    asked = [f"{text}@r{pixels}" for text, pixels in zip(frame["architecture"], frame["resolution"], strict=True)]
    np.testing.assert_array_equal(table.values(space, space.from_text(asked)), frame["latency_ms_v100_32"])
