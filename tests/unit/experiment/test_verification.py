"""Answers that are measured before they are given, and that the generator learns from."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from nagevo.experiment import verification
from nagevo.experiment.config import Experiment, parse_config
from nagevo.experiment.learning import learn, relearn
from nagevo.experiment.search import search_experiment
from nagevo.experiment.verification import learn_verified, unverified, with_verified
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.foundation.tables import write_table
from nagevo.measure.latency.base import Device
from nagevo.measure.measurements import EXTRA_ROUND, Measurements
from nagevo.spaces import create_space

SPACE = create_space("nasbench201")
COST = np.array([0.0, 0.1, 0.3, 1.0, 2.0])
BUDGETS = np.linspace(1.0, 12.0, 60)


def true_ms(choices: np.ndarray) -> np.ndarray:
    """Return what cells take: one in five takes a third more than its operations say."""
    return (1.0 + COST[choices].sum(axis=1)) * np.where(choices @ [1, 2, 3, 4, 5, 6] % 5 == 0, 1.33, 1.0)


class Stopwatch(Device):
    """Times cells with an error of 1 % that is another on each occasion."""

    measured: ClassVar[list[int]] = []

    def measure(self, space, choices):
        rng = np.random.default_rng(len(self.measured))
        self.measured.append(len(choices))
        values = true_ms(choices) * np.exp(rng.normal(0, 0.01, len(choices)))
        return pd.DataFrame({"latency_ms": values, "status": "ok"})


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Return the config of an experiment on a device that is timed and on a table, and what its search measured."""
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    choices = SPACE.enumerate()
    accuracy = 90.0 - 60.0 * np.exp(-0.4 * COST[choices].sum(axis=1))
    table = pd.DataFrame({"architecture": SPACE.to_text(choices), "accuracy": accuracy, "latency_ms": true_ms(choices)})
    write_table(table, path)
    config = {
        "space": {"name": "nasbench201"},
        "accuracy": {"evaluator": "table", "path": str(path), "column": "accuracy"},
        "devices": {
            "watch": {"backend": f"{__name__}:Stopwatch"},
            "table": {"backend": "table", "path": str(path), "column": "latency_ms"},
        },
        "search": {"strategy": "random", "evaluations": 40, "rounds": 3},
        "evolve": {"population": 20, "generations": 5},
        "generator": {"steps": 60, "hidden": 8, "candidates": 2, "probes": 3, "synthetic_devices": 1},
    }
    Stopwatch.measured.clear()
    return config, search_experiment(parse_config(config))


def verifying(searched: tuple[dict[str, Any], Measurements], rounds: int) -> tuple[Experiment, Measurements]:
    """Return the experiment with a number of verification rounds, and its measurements."""
    config, measurements = searched
    return parse_config(config | {"verify": {"rounds": rounds}}), measurements


def answered(generator, device):
    return [answer for answer in generator.answers(BUDGETS, device=device) if not isinstance(answer, InfeasibleBudget)]


@pytest.mark.slow
def test_answers_are_verified_after_the_rounds_and_hold(searched, tmp_path):
    parsed, measurements = verifying(searched, 4)
    generator = learn_verified(parsed, measurements, tmp_path / "bundle")
    for device in ("watch", "table"):
        answers = answered(generator, device)
        assert len(answers) > 40
        assert np.mean([answer.verified for answer in answers]) > 0.9
        truth = true_ms(SPACE.from_text([answer.architecture for answer in answers]))
        broken = truth > [answer.budget for answer in answers]
        assert broken.mean() <= (0.05 if device == "watch" else 0.0)
    assert generator.description["evaluations"] == 40  # the readings of the verification are counted apart


def test_without_rounds_nothing_is_measured_after_the_search(searched, tmp_path):
    parsed, measurements = verifying(searched, 0)
    timed = len(Stopwatch.measured)
    generator = learn_verified(parsed, measurements, tmp_path / "bundle")
    assert len(Stopwatch.measured) == timed
    known = set(SPACE.to_text(measurements.choices))
    for device in ("watch", "table"):
        verified = {answer.architecture for answer in answered(generator, device) if answer.verified}
        assert verified == (known & verified if device == "table" else set())


@pytest.mark.slow
def test_a_round_without_new_answers_costs_nothing(searched, tmp_path, monkeypatch):
    parsed, measurements = verifying(searched, 2)
    timed = len(Stopwatch.measured)
    nothing = np.empty((0, SPACE.n_choices), dtype=np.int8)
    monkeypatch.setattr(verification, "unverified", lambda *_: ({"watch": nothing}, nothing))
    monkeypatch.setattr(verification, "relearn", lambda *_, **__: pytest.fail("it learned again"))
    learn_verified(parsed, measurements, tmp_path / "bundle")
    assert len(Stopwatch.measured) == timed


@pytest.mark.slow
def test_what_was_verified_is_not_proposed_again(searched, tmp_path):
    parsed, measurements = verifying(searched, 2)
    generator = learn(parsed, measurements, tmp_path / "bundle")
    proposals, unread = unverified(generator, measurements, parsed)
    assert list(proposals) == ["watch"]  # every candidate is known on the table
    known = set(SPACE.to_text(measurements.choices))
    assert not known & set(SPACE.to_text(unread))
    occasion = Stopwatch().measure(SPACE, proposals["watch"])
    occasion.insert(0, "architecture", SPACE.to_text(proposals["watch"]))
    more = with_verified(SPACE, measurements, [], {"watch": [occasion.assign(device="watch")] * 2})
    again, _ = unverified(relearn(parsed, more, generator, tmp_path / "next"), measurements, parsed)
    assert not set(SPACE.to_text(again["watch"])) & set(SPACE.to_text(proposals["watch"]))


def test_readings_of_a_round_are_joined_by_hand():
    cells = SPACE.sample_distinct(3, rng=np.random.default_rng(0))
    texts = SPACE.to_text(cells)
    before = Measurements(cells[:2], np.zeros(2, int), np.array([50.0, 60.0]), {"watch": np.array([3.0, 5.0])})
    scores = pd.DataFrame({"architecture": texts[2:], "accuracy": [70.0], "status": "ok"})
    occasions = [
        pd.DataFrame({"architecture": texts[1:], "device": "watch", "latency_ms": values, "status": status})
        for values, status in (([1.0, np.nan], ["ok", "broken"]), ([4.0, np.nan], ["ok", "broken"]))
    ]
    known = with_verified(SPACE, before, [scores], {"watch": occasions})
    row = {text: number for number, text in enumerate(SPACE.to_text(known.choices))}
    assert known.values["watch"][row[texts[0]]] == 3.0
    assert known.values["watch"][row[texts[1]]] == pytest.approx(2.0)  # the root of 1 · 4
    assert np.isnan(known.values["watch"][row[texts[2]]])
    assert known.failures["watch"][row[texts[2]]] == "broken"
    assert known.accuracy[row[texts[2]]] == 70.0
    assert known.round[row[texts[2]]] == EXTRA_ROUND
    assert known.n_evaluations == 2
    assert known.again["watch"][row[texts[1]]].tolist() == [1.0, 4.0]
    written = Measurements.from_frame(known.to_frame(SPACE), SPACE)
    np.testing.assert_array_equal(written.again["watch"], known.again["watch"])
    # a second round adds its occasions beside those of the first
    later = with_verified(
        SPACE, known, [], {"watch": [table.assign(latency_ms=2.0, status="ok") for table in occasions]}
    )
    assert later.again["watch"].shape == (3, 4)
