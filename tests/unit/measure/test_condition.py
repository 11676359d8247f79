"""What a latency is: the ratio to references in the same bursts, times their speed on the quiet machine."""

import numpy as np
import pandas as pd
import pytest

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import write_json
from nagevo.foundation.machine import describe
from nagevo.foundation.tables import read_table, write_table
from nagevo.learn.conformal import Residuals
from nagevo.measure.latency.condition import (
    Condition,
    Reading,
    conditions,
    judged,
    quiet_speed,
    read_conditions,
    restated,
    statistic_of,
)
from nagevo.measure.latency.timing import readings_table
from nagevo.measure.status import measure_failed_again
from nagevo.spaces import create_space

TRUE = {"a": 1.0, "b": 2.5, "c": 4.0}
QUIET = np.array([0.5, 6.0])
BURSTS, RUNS = 20, 10


def occasion(seed: int, slow, *, statistic="median", condition="quiet", noise=0.01, latency=TRUE) -> pd.DataFrame:
    """Return the table of an occasion on which the machine was slower by the factors ``slow`` in its bursts."""
    rng, slow = np.random.default_rng(seed), np.broadcast_to(slow, BURSTS)[:, None]
    outcomes = [
        Reading(
            ms * slow * np.exp(noise * rng.normal(size=(BURSTS, RUNS))),
            QUIET * slow * np.exp(0.01 * rng.normal(size=(BURSTS, 2))),
        )
        for ms in latency.values()
    ]
    table = readings_table(outcomes, statistic, condition)
    table.insert(0, "architecture", list(latency))
    table.insert(1, "device", "phone")
    return table


def test_the_quiet_speed_is_that_of_the_fastest_mode():
    rng = np.random.default_rng(0)
    slow = np.where(rng.random(400) < 0.7, rng.uniform(1.3, 3.0, 400), 1.0)[:, None]
    references = QUIET * slow * np.exp(0.01 * rng.normal(size=(400, 2)))
    np.testing.assert_allclose(quiet_speed(references), QUIET, rtol=0.005)


def test_a_few_bursts_of_luck_are_no_mode():
    references = np.concatenate([0.8 * np.ones((5, 2)), np.ones((95, 2))]) * QUIET
    np.testing.assert_allclose(quiet_speed(references), QUIET)


def test_occasions_on_a_slow_machine_give_the_quiet_latency():
    tables = {"0": occasion(0, 1.0), "1": occasion(1, 2.0), "2": occasion(2, 2.0)}
    assert tables["1"]["latency_ms"].iloc[0] == pytest.approx(2.0, rel=0.02)  # alone it cannot know
    for table in restated(tables).values():
        np.testing.assert_allclose(table["latency_ms"], list(TRUE.values()), rtol=0.01)


def test_disturbed_bursts_are_left_out_where_enough_are_quiet():
    slow = np.where(np.arange(BURSTS) % 2 == 0, 1.0, 2.0)
    reading = Reading.of(occasion(0, slow).to_dict("records")[1])
    uneven = Reading(reading.runs * np.where(slow == 2.0, 1.3, 1.0)[:, None], reading.references)
    assert uneven.value("median", QUIET) == pytest.approx(2.5, rel=0.01)


def test_percentiles_are_those_of_single_runs():
    table = occasion(0, 1.0, statistic="p95", noise=0.2)
    restored = restated({"0": table})["0"]["latency_ms"]
    np.testing.assert_allclose(restored / list(TRUE.values()), np.exp(0.2 * 1.645), rtol=0.06)


def test_the_state_of_the_machine_is_told():
    slow = np.where(np.arange(BURSTS) < 8, 2.0, 1.0)  # 40 % of the time
    found = conditions({"0": occasion(0, slow), "1": occasion(1, slow)})["phone"]
    assert found.disturbed == pytest.approx(0.4)
    assert found.slowdown == pytest.approx(2.0, rel=0.03)
    assert describe(found.described()) == (
        "median on the quiet machine; disturbed 40 % of the time while measured; then up to 2.0 times as slow"
    )
    assert found.described(["small", "large"])["references"].keys() == {"small", "large"}


def test_the_machine_is_told_where_every_table_tells_it():
    machine = {"processor": "EPYC", "cores": 2, "system": "Linux"}
    here, there = occasion(0, 1.0).assign(**machine), occasion(1, 1.0).assign(**machine | {"cores": 8})
    assert conditions({"0": here})["phone"].described()["machine"] == machine
    assert conditions({"0": here, "1": there})["phone"].machine == machine | {"cores": "2 or 8"}
    assert conditions({"0": here, "1": occasion(1, 1.0)})["phone"].machine is None


def test_observed_is_the_usual_state_and_its_spread():
    factors = (1.0, 1.5, 1.5, 1.5, 3.0)
    tables = {f"{n}": occasion(n, slow, condition="observed") for n, slow in enumerate(factors)}
    found = conditions(tables)["phone"]
    np.testing.assert_allclose(np.exp(found.spread), np.array([*factors, 3.0]) / 1.5, rtol=0.02)
    for table in restated(tables).values():
        np.testing.assert_allclose(table["latency_ms"] / list(TRUE.values()), 1.5, rtol=0.02)
    assert not len(Condition.of([occasion(0, 1.0)]).spread)


def test_a_bound_widened_by_states_covers_them():
    rng = np.random.default_rng(0)
    residuals, states = Residuals(np.sort(0.02 * rng.normal(size=99))), np.log([0.7, 1.0, 1.0, 2.0])
    truth = 0.02 * rng.normal(size=4000) + rng.choice(states, 4000)
    for confidence in (0.5, 0.7, 0.9):
        margin = residuals.widened(states).margin(confidence)
        assert (truth <= margin).mean() >= confidence - 0.03
    assert residuals.widened(states).highest_confidence == residuals.highest_confidence


def test_an_observed_bound_holds_for_the_medians_of_later_occasions():
    """The machine is as fast as it can be on three of five occasions, and half as fast on the others."""
    rng, kept = np.random.default_rng(0), []

    def states(n):
        return rng.choice([1.0, 2.0], p=[0.6, 0.4], size=n)

    for _ in range(300):
        found = Condition("median", "observed", QUIET, 0.4, 2.0, np.log(states(6)))
        residuals = Residuals(np.sort(0.01 * rng.normal(size=60)))
        bound = found.usual * np.exp(residuals.widened(found.spread).margin(0.9))
        kept.append((states(100) * np.exp(0.01 * rng.normal(size=100)) <= bound).mean())
    assert np.mean(kept) >= 0.89
    assert np.mean(np.array(kept) < 0.7) <= 0.1  # runs that saw no slow occasion: 0.6 to the power of 6, one in twenty


def test_readings_survive_a_file_and_failures_have_none(tmp_path):
    table = occasion(0, 1.0)
    table.loc[1, ["status", "latency_ms", "bursts"]] = ["out of memory", np.nan, 0]
    table.at[1, "runs"], table.at[1, "references"] = [], []
    write_table(table, tmp_path / "0.parquet")
    again = restated({"0": read_table(tmp_path / "0.parquet"), "1": occasion(1, 1.0)})["0"]
    assert again["latency_ms"].notna().tolist() == [True, False, True]


def test_answers_are_judged_by_the_known_quiet_speed_with_the_raw_value_beside(tmp_path):
    known = conditions({"0": occasion(0, 1.0)})
    write_json({device: condition.described() for device, condition in known.items()}, tmp_path / "conditions.json")
    read = read_conditions(tmp_path / "conditions.json")
    slow = occasion(1, 2.0)
    result = judged(restated({"1": slow}, read)["1"], read)
    np.testing.assert_allclose(result["measured"], list(TRUE.values()), rtol=0.01)
    np.testing.assert_allclose(result["raw"], 2 * np.array(list(TRUE.values())), rtol=0.01)


def test_a_damaged_file_of_conditions_is_refused(tmp_path):
    write_json({"phone": {"statistic": "median"}}, tmp_path / "conditions.json")
    with pytest.raises(DataError, match=r"conditions\.json does not hold the conditions of devices"):
        read_conditions(tmp_path / "conditions.json")


def test_without_references_a_latency_is_that_of_its_runs():
    runs = np.array([[1.0, 1.0, 4.0], [2.0, 3.0, 3.0]])
    reading = Reading(runs, np.empty((2, 0)))
    assert reading.value("median", np.empty(0)) == statistic_of(runs, "median") == 2.5


def test_a_device_whose_largest_reference_fails_is_told_by_the_other():
    table = occasion(0, 1.0)
    for number in range(len(table)):
        references = table.at[number, "references"].reshape(BURSTS, 2).copy()
        references[:, 1] = np.nan
        table.at[number, "references"] = references.ravel()
    np.testing.assert_allclose(restated({"0": table})["0"]["latency_ms"], list(TRUE.values()), rtol=0.01)


def test_failed_rows_that_are_timed_again_keep_the_readings_of_the_others(tmp_path):
    table = occasion(0, 1.0)
    space = create_space("nasbench201")
    table["architecture"] = space.to_text(space.sample_distinct(3, rng=np.random.default_rng(0)))
    table.loc[1, ["status", "latency_ms", "bursts"]] = ["unplugged", np.nan, 0]
    table.at[1, "runs"], table.at[1, "references"] = [], []
    write_table(table, tmp_path / "0.parquet")
    again = occasion(1, 1.0, latency={"b": TRUE["b"]}).drop(columns=["architecture", "device"])
    list(measure_failed_again([tmp_path / "0.parquet"], "latency_ms", space, lambda choices: again))
    mended = restated({"0": read_table(tmp_path / "0.parquet")})["0"]
    np.testing.assert_allclose(mended["latency_ms"], list(TRUE.values()), rtol=0.02)
