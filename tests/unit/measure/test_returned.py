"""Devices and evaluators of the user's own: wrong numbers are rows with a status, wrong tables one line."""

import numpy as np
import pandas as pd
import pytest

from nagevo.experiment.measuring import profile, score
from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.quantities import RANGE
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.latency.base import Device
from nagevo.spaces import create_space

SPACE = create_space("nasbench201")
CHOICES = SPACE.sample_distinct(4, rng=np.random.default_rng(0))
POSITIVE, PERCENT, NUMBER = f"not {RANGE}", "not between 0 and 100 percent", "not a number"


def device(returned) -> Device:
    class Mine(Device):
        def measure(self, space, choices):
            return returned

    return Mine()


def evaluator(returned) -> Evaluator:
    class Mine(Evaluator):
        def evaluate(self, choices, *, split="validation"):
            return returned

    return Mine(SPACE)


def rows(column: str, values: list) -> pd.DataFrame:
    return pd.DataFrame({column: values, "status": "ok"}, index=range(len(values))[::-1])


@pytest.mark.parametrize("wrong", [-1, 0, np.inf])
def test_a_latency_that_cannot_be_is_a_row_with_a_status(wrong):
    table = profile(SPACE, "mine", device(rows("latency_ms", [1, wrong, "2.5", "fast"])), CHOICES)
    assert table["latency_ms"].tolist() == pytest.approx([1, np.nan, 2.5, np.nan], nan_ok=True)
    assert table["status"].tolist() == ["ok", POSITIVE, "ok", NUMBER]


def test_an_accuracy_that_cannot_be_is_a_row_with_a_status():
    table = score(SPACE, evaluator(rows("accuracy", [200, 90, -1, "90 %"])), CHOICES)
    assert table["accuracy"].tolist() == pytest.approx([np.nan, 90, np.nan, np.nan], nan_ok=True)
    assert table["status"].tolist() == [PERCENT, "ok", PERCENT, NUMBER]


def test_a_reason_that_the_device_gives_itself_stays():
    returned = pd.DataFrame({"latency_ms": [1, np.nan, -1, 2], "status": ["ok", "unplugged", "too hot", "ok"]})
    table = profile(SPACE, "mine", device(returned), CHOICES)
    assert table["status"].tolist() == ["ok", "unplugged", "too hot", "ok"]


VALID = rows("latency_ms", [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "got NoneType"),
        ([1.0] * 4, "got list"),
        ({"latency_ms": [1.0] * 4}, "got dict"),
        (VALID[:3], "got 3 rows"),
        (VALID[["latency_ms"]], "lacks the column status; it has latency_ms"),
        (VALID.rename(columns={"latency_ms": "ms"}), "lacks the column latency_ms; it has ms, status"),
        (pd.concat([VALID, VALID], axis=1), "names a column twice: latency_ms, status"),
        (VALID.assign(architecture="a"), "and without architecture, which nagevo adds"),
    ],
)
def test_a_table_of_another_form_is_one_line_that_names_the_class(returned, message):
    with pytest.raises(DataError) as caught:
        profile(SPACE, "mine", device(returned), CHOICES)
    assert "Mine.measure: expected a DataFrame of 4 rows with the columns latency_ms and status" in str(caught.value)
    assert message in str(caught.value)


def test_an_evaluator_that_does_not_take_the_split_is_named():
    class Mine(Evaluator):
        def evaluate(self, choices):
            return rows("accuracy", [1, 2, 3, 4])

    with pytest.raises(DataError, match=r"Mine\.evaluate does not take .* unexpected keyword argument 'split'"):
        score(SPACE, Mine(SPACE), CHOICES)


def test_an_unknown_quantity_of_a_device_of_ones_own_is_refused():
    mine = device(rows("watts", [1, 2, 3, 4]))
    mine.measures = "watts"
    with pytest.raises(ConfigError, match='quantity "watts" is unknown'):
        profile(SPACE, "mine", mine, CHOICES)


def test_a_device_that_changes_its_choices_changes_nothing():
    class Mine(Device):
        def measure(self, space, choices):
            choices[:] = 0
            return VALID

    choices = CHOICES.copy()
    assert profile(SPACE, "mine", Mine(), choices)["architecture"].tolist() == SPACE.to_text(CHOICES)
