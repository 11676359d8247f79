"""A search in one process."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up import run
from separable import SeparableSpace, accuracy, latency_ms

from nagevo.experiment.measuring import extra_architectures, profile, score
from nagevo.experiment.search import run_search
from nagevo.foundation.errors import ConfigError
from nagevo.foundation.tables import read_table, write_table
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.latency.base import Device
from nagevo.measure.latency.condition import Reading
from nagevo.measure.latency.timing import readings_table
from nagevo.measure.measurements import EXTRA_ROUND
from nagevo.measure.rounds import read_rounds
from nagevo.search import create_strategy
from nagevo.search.random import RandomSearch
from nagevo.search.surrogate_evolution import SurrogateEvolution
from nagevo.spaces.base import unique

SPACE = SeparableSpace()


class Counting(Evaluator):
    """It counts what it is asked, and fails for architectures that begin with 2."""

    def __init__(self, space):
        super().__init__(space)
        self.asked = []

    def evaluate(self, choices, *, split="validation"):
        self.asked.append(choices)
        return pd.DataFrame({"accuracy": np.where(choices[:, 0] == 2, np.nan, accuracy(choices)), "status": "ok"})


class Phone(Device):
    """It keeps the architectures it measured."""

    def __init__(self, factor=1.0):
        self.factor, self.asked = factor, []

    def measure(self, space, choices):
        self.asked.append(choices)
        return pd.DataFrame({"latency_ms": self.factor * latency_ms(choices), "status": "ok"})


def search(evaluations=20, devices=None, **options):
    devices = {"phone": Phone()} if devices is None else devices
    evaluator = Counting(SPACE)
    strategy = RandomSearch(SPACE, tuple(devices), seed=0, evaluations=evaluations)
    return run_search(SPACE, evaluator, devices, strategy, evaluations=evaluations, **options), evaluator


def test_as_many_different_architectures_as_asked_are_evaluated_once_each():
    table, evaluator = search(20, rounds=6)
    asked = np.concatenate(evaluator.asked)
    assert [len(part) for part in evaluator.asked] == [4, 4, 3, 3, 3, 3]
    assert len(unique(asked)) == len(table) == table.n_evaluations == 20
    np.testing.assert_array_equal(table.choices, asked)
    assert table.round.tolist() == sorted(table.round.tolist())


class Meter(Device):
    """It measures an energy."""

    measures = "energy_mj"

    def measure(self, space, choices):
        return pd.DataFrame({"energy_mj": 30.0 - latency_ms(choices), "status": "ok"})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["monas", "dpp_net", "na_rs"])
def test_an_energy_is_an_objective_of_a_strategy_as_a_latency_is(name):
    strategy = create_strategy(name, SPACE, ("meter",), seed=0, evaluations=30)
    table = run_search(SPACE, Counting(SPACE), {"meter": Meter()}, strategy, evaluations=30, rounds=3)
    assert table.quantities == {"meter": "energy_mj"}
    measured = table.values["meter"]
    np.testing.assert_array_equal(measured, 30.0 - latency_ms(table.choices))
    later = table.round == 2
    assert measured[later].min() < np.median(30.0 - latency_ms(SPACE.enumerate()))  # it looks for little energy, too


class Timed(Phone):
    """A machine that is twice as slow on every second occasion."""

    def measure(self, space, choices):
        self.asked.append(choices)
        slow = 1.0 + (len(self.asked) % 2 == 0)
        outcomes = [Reading(np.full((20, 5), slow * ms), np.full((20, 2), slow)) for ms in latency_ms(choices).tolist()]
        return readings_table(outcomes, "median", "quiet")


def test_each_round_is_an_occasion_of_a_timed_device():
    table, _ = search(20, {"phone": Timed()}, rounds=4)
    np.testing.assert_allclose(table.conditions["phone"].states, np.log([1.0, 2.0, 1.0, 2.0]), atol=1e-9)
    np.testing.assert_allclose(table.values["phone"], latency_ms(table.choices))


def test_a_failed_accuracy_counts_as_an_evaluation_and_keeps_its_latency():
    table, _ = search(40)
    failed = table.choices[:, 0] == 2
    assert failed.any()
    np.testing.assert_array_equal(np.isnan(table.accuracy), failed)
    np.testing.assert_array_equal(table.values["phone"], latency_ms(table.choices))


def test_extra_measurements_are_latencies_of_one_device_and_no_evaluations():
    devices = {"phone": Phone(), "board": Phone(3.0)}
    table, _ = search(10, devices, extra_measurements={"board": 30})
    extra = table.rows(table.round == EXTRA_ROUND)
    assert table.n_evaluations == 10
    assert 20 <= len(extra) <= 30  # one that is evaluated later stands in the table once
    assert np.isnan(extra.accuracy).all()
    assert np.isnan(extra.values["phone"]).all()
    np.testing.assert_array_equal(extra.values["board"], 3.0 * latency_ms(extra.choices))


def test_devices_with_extra_measurements_share_rows():
    devices = {"phone": Phone(), "board": Phone(3.0)}
    table, _ = search(10, devices, extra_measurements={"phone": 15, "board": "all"})
    assert len(table) == len(unique(table.choices)) == SPACE.size
    extra = table.rows(table.round == EXTRA_ROUND)
    known = np.isfinite(extra.values["phone"])
    np.testing.assert_array_equal(3 * extra.values["phone"][known], extra.values["board"][known])
    assert 5 <= known.sum() <= 15


def test_extra_architectures_are_distinct_and_fixed_by_the_seed():
    first = extra_architectures(SPACE, 50, seed=3)
    assert len(unique(first)) == 50
    np.testing.assert_array_equal(first, extra_architectures(SPACE, 50, seed=3))
    assert (first != extra_architectures(SPACE, 50, seed=4)).any()


def test_more_evaluations_or_extra_measurements_than_the_space_has_are_refused():
    with pytest.raises(ConfigError, match="243 architectures, asked for 244"):
        search(244)
    with pytest.raises(ConfigError, match=r"extra_measurements: .* has 243 architectures"):
        search(10, extra_measurements={"phone": 244})


def test_the_first_round_and_further_architectures_are_read_cheaply():
    cheap, full = Counting(SPACE), Counting(SPACE)
    strategy = SurrogateEvolution(SPACE, ("phone",), evaluations=20, population=20, generations=3)
    table = run_search(SPACE, full, {"phone": Phone()}, strategy, evaluations=20, rounds=4, cheap=(cheap, 30), seed=0)
    assert (table.n_evaluations, len(table)) == (20, 20)  # what is read cheaply alone is not measured
    assert [len(part) for part in full.asked] == [5, 5, 5, 5]
    assert len(cheap.asked) == 1
    assert len(unique(cheap.asked[0])) == 30
    np.testing.assert_array_equal(cheap.asked[0][:5], full.asked[0])
    np.testing.assert_array_equal(table.cheap.choices, cheap.asked[0])
    assert table.cheap.devices == ()


def test_of_a_small_space_no_more_is_read_cheaply_than_there_is():
    cheap = Counting(SPACE)
    strategy = SurrogateEvolution(SPACE, ("phone",), evaluations=10, population=20, generations=3)
    run_search(SPACE, Counting(SPACE), {"phone": Phone()}, strategy, evaluations=10, rounds=2, cheap=(cheap, 1000))
    assert len(unique(cheap.asked[0])) == len(cheap.asked[0]) == SPACE.size


class Interrupted(Counting):
    """It is interrupted in its third round."""

    def evaluate(self, choices, *, split="validation"):
        if len(self.asked) == 2:
            raise KeyboardInterrupt
        return super().evaluate(choices, split=split)


@pytest.mark.parametrize("cheaply", [False, True])
def test_a_search_that_was_interrupted_goes_on_and_finds_the_same(tmp_path, cheaply):
    def made(evaluator, kept):
        strategy = SurrogateEvolution(SPACE, ("phone", "slow"), evaluations=20, population=20, generations=3)
        devices, cheap = {"phone": Phone(), "slow": Timed()}, Counting(SPACE)
        extra = {"phone": 5}
        options = {"rounds": 4, "extra_measurements": extra, "cheap": (cheap, 8) if cheaply else None}
        table = run_search(SPACE, evaluator, devices, strategy, evaluations=20, kept=kept, **options)
        return table, devices["phone"].asked, cheap.asked

    expected, *_ = made(Counting(SPACE), None)
    with pytest.raises(KeyboardInterrupt):
        made(Interrupted(SPACE), tmp_path / "kept")
    rest = Counting(SPACE)
    found, timed, cheap = made(rest, tmp_path / "kept")
    assert [len(part) for part in rest.asked] == [len(part) for part in timed] == [5, 5]
    assert cheap == []
    pd.testing.assert_frame_equal(found.to_frame(SPACE), expected.to_frame(SPACE))
    assert {name: each.described() for name, each in found.conditions.items()} == {
        name: each.described() for name, each in expected.conditions.items()
    }
    if cheaply:
        pd.testing.assert_frame_equal(found.cheap.to_frame(SPACE), expected.cheap.to_frame(SPACE))


class Halted(Evaluator):
    """It takes rounds up to a number, and says in which folder it keeps weights."""

    keeps_weights = True
    asked, rounds, folders = 0, 2, ()

    def keep(self, folder):
        Halted.folders = (*Halted.folders, str(folder))

    def evaluate(self, choices, *, split="validation"):
        if Halted.asked == Halted.rounds:
            raise KeyboardInterrupt
        Halted.asked += 1
        return pd.DataFrame({"accuracy": accuracy(choices), "status": "ok"})


def test_the_command_goes_on_with_the_same_search_alone(tmp_path, monkeypatch, capsys):
    for name in ("asked", "rounds", "folders"):
        monkeypatch.setattr(Halted, name, getattr(Halted, name))
    monkeypatch.chdir(tmp_path)
    rows = {"architecture": SPACE.to_text(SPACE.enumerate()), "latency_ms": latency_ms(SPACE.enumerate())}
    write_table(pd.DataFrame(rows), "t.csv")
    config = {
        "space": {"name": "separable:SeparableSpace"},
        "accuracy": {"evaluator": f"{__name__}:Halted"},
        "devices": {"phone": {"backend": "table", "path": "t.csv"}},
        "search": {"strategy": "random", "evaluations": 12, "rounds": 4},
    }
    arguments = ("search", "--config", json.dumps(config), "--output", "o.csv", "--trained", "kept")
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, "interrupted" in err) == (130, True)
    assert not (tmp_path / "o.csv").exists()
    (folder,) = tmp_path.glob(".o.csv.*")
    Halted.asked, Halted.rounds = 0, 4
    code, _, err = run(monkeypatch, capsys, *arguments, "--seed", "1")  # another search begins at its beginning
    assert (code, Halted.asked, "goes on" in err, folder.is_dir()) == (0, 4, False, True)
    Halted.asked = 0
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, Halted.asked, "the search goes on" in err, folder.exists()) == (0, 2, True, False)
    assert read_table("o.csv")["round"].tolist() == [number for number in range(4) for _ in range(3)]
    assert set(Halted.folders) == {"kept"}


class Ends(RandomSearch):
    """It ends the search after the first round."""

    def ask(self, n):
        return super().ask(0 if self.measurements.n_rounds else n)


def test_rounds_after_the_end_of_a_search_are_empty_in_files_too(tmp_path):
    strategy = Ends(SPACE, ("phone",), evaluations=20)
    found = run_search(SPACE, Counting(SPACE), {"phone": Phone()}, strategy, evaluations=20, rounds=4)
    assert (found.n_evaluations, found.n_rounds) == (5, 1)

    batches = [found.choices, np.empty((0, SPACE.n_choices), dtype=np.int8)]
    for number, choices in enumerate(batches):
        write_table(pd.DataFrame({"architecture": SPACE.to_text(choices)}), tmp_path / f"{number}-proposals.csv")
        write_table(score(SPACE, Counting(SPACE), choices), tmp_path / f"{number}-scores.csv")
        write_table(profile(SPACE, "phone", Phone(), choices), tmp_path / f"{number}-latencies.csv")
    read = read_rounds(sorted(tmp_path.iterdir()), SPACE)
    np.testing.assert_array_equal(read.choices, found.choices)
    np.testing.assert_array_equal(read.accuracy, found.accuracy)
