"""Limits as people give them: twice, in several spellings, as they were printed."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from made_up import learned, measured, run

import nagevo
from nagevo.foundation.rounding import rounded_up


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits") / "generator"
    learned(measured(40, "exact", "noisy", "meter"), folder)
    return folder


@pytest.fixture(scope="module")
def generator(bundle):
    return nagevo.load(bundle)


@pytest.mark.parametrize(
    "limits",
    [
        {"latency_ms": 9.0, "latency_ms_exact": 4.0},
        {"latency_ms_exact": 4.0, "latency_ms": 9.0},
        {"latency_ms": 4.0, "latency_ms_exact": 9.0},
        {"latency_ms_exact": math.inf, "latency_ms": 4.0},
    ],
)
def test_of_two_limits_on_one_quantity_the_tighter_one_counts(generator, limits):
    answer, alone = generator.generate(limits, device="exact"), generator.generate(4.0, device="exact")
    assert (answer.architecture, answer.budget, answer.bound) == (alone.architecture, 4.0, alone.bound)
    assert list(answer.limits.values()) == [4.0]
    assert answer.limits.keys() == answer.bounds.keys() <= limits.keys()


def test_of_two_limits_on_another_device_the_tighter_one_counts(generator):
    limits = {"latency_ms": 9.0, "energy_mj": 30.0, "energy_mj_meter": 12.0}
    both = generator.generate(limits, device="exact")
    assert both == generator.generate({"latency_ms": 9.0, "energy_mj": 12.0}, device="exact")
    swapped = {"latency_ms": 9.0, "energy_mj_meter": 30.0, "energy_mj": 12.0}
    assert generator.generate(swapped, device="exact").architecture == both.architecture


@pytest.mark.parametrize(
    "asked",
    [
        ("--budget", "4", "--limit", "latency_ms=9"),
        ("--budget", "9", "--limit", "latency_ms=4"),
        ("--budget", "4", "--limit", "latency_ms_exact=9"),
        ("--limit", "latency_ms=4", "--limit", "latency_ms=9"),
        ("--limit", "latency_ms=9", "--limit", "latency_ms=4"),
        ("--limit", "latency_ms_exact=9", "--limit", "latency_ms=4", "--limit", "latency_ms=inf"),
        ("--limit", " latency_ms = 9 ", "--budget", "4.0"),
    ],
)
def test_the_command_takes_the_tighter_of_two_limits(bundle, generator, monkeypatch, capsys, asked):
    code, out, _ = run(monkeypatch, capsys, "generate", "--bundle", str(bundle), "--device", "exact", "--json", *asked)
    entry = json.loads(out)
    assert (code, entry["budget"]) == (0, 4.0)
    assert entry["architecture"] == generator.generate(4.0, device="exact").architecture


@pytest.mark.parametrize("limits", [("latency_ms=nan",), ("latency_ms=3", "latency_ms=nan"), ("latency_ms=x",)])
def test_the_command_refuses_limits_that_are_no_numbers(bundle, monkeypatch, capsys, limits):
    options = [option for limit in limits for option in ("--limit", limit)]
    code, out, err = run(monkeypatch, capsys, "generate", "--bundle", str(bundle), "--device", "exact", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("device", ["exact", "noisy"])
@pytest.mark.parametrize("confidence", [0.5, 0.61, 0.7, 0.77, 0.8, 0.9, 0.95])
def test_the_minimum_that_is_printed_can_be_asked(bundle, generator, monkeypatch, capsys, device, confidence):
    asked = ("generate", "--bundle", str(bundle), "--device", device, "--confidence", str(confidence))
    code, _, err = run(monkeypatch, capsys, *asked, "--budget", "0.0001")
    printed = re.search(r"the smallest that can be promised is (\S+) ms", err)[1]
    assert code == 3
    code, out, _ = run(monkeypatch, capsys, *asked, "--budget", printed)
    assert code == 0
    bound = re.search(r"at most (\S+) ms", out)[1]
    assert run(monkeypatch, capsys, *asked, "--budget", bound)[0] == 0
    assert float(printed) <= 1.001 * generator.answers([0.0], device=device, confidence=confidence)[0].minimum


def test_the_nearest_limits_that_are_printed_can_be_asked(bundle, monkeypatch, capsys):
    asked = ("generate", "--bundle", str(bundle), "--device", "noisy")
    limits = ("--limit", "parameters=123456.7", "--limit", "energy_mj=1.23456789", "--limit", "latency_ms=0.01")
    code, _, err = run(monkeypatch, capsys, *asked, *limits)
    near = re.search("the nearest that can be promised is (.*)", err)[1]
    options = [
        option
        for name, limit in re.findall(r"(\S+) (\S+)(?: with|$)", near)
        for option in ("--limit", f"{name}={limit}")
    ]
    assert (code, len(options)) == (3, 6)
    code, out, _ = run(monkeypatch, capsys, *asked, *options)
    assert code == 0
    others = re.findall(r", (\w+) ([\d.e+]+)", out)
    options = [option for name, limit in others for option in ("--limit", f"{name}={limit}")]
    assert run(monkeypatch, capsys, *asked, *options)[0] == 0


def test_the_smallest_budget_that_show_prints_can_be_asked(bundle, generator, monkeypatch, capsys):
    for confidence in (0.55, 0.8, 0.9):
        code, out, _ = run(monkeypatch, capsys, "show", str(bundle), "--confidence", str(confidence))
        assert code == 0
        for device in generator.devices:
            smallest = re.search(rf"{device}\s.*?([\d.]+) to ([\d.]+)", out)
            for printed in smallest.groups():
                assert generator.generate(float(printed), device=device, confidence=confidence)


def test_the_minimum_in_json_can_be_asked(bundle, generator, monkeypatch, capsys):
    asked = ("generate", "--bundle", str(bundle), "--device", "noisy", "--json", "--budget")
    minimum = json.loads(run(monkeypatch, capsys, *asked, "0.001")[1])["minimum"]
    assert run(monkeypatch, capsys, *asked, repr(minimum))[0] == 0


def test_numbers_are_rounded_up_by_less_than_one_unit_of_their_last_digit():
    rng = np.random.default_rng(0)
    for value in np.exp(rng.uniform(-60, 60, 2000)).tolist():
        for digits in (1, 3, 4, 6):
            text = rounded_up(value, digits)
            assert value <= float(text) <= value * (1 + 1.001 * 10.0 ** (1 - digits))


@pytest.mark.parametrize("request_", [math.inf, {"parameters": 1e9}, {"latency_ms": math.inf, "parameters": 5e5}])
def test_an_answer_without_a_budget_can_be_saved_and_exported(generator, tmp_path, request_):
    answer = generator.generate(request_, device="exact")
    assert json.loads(json.dumps(answer.describe(), allow_nan=False))["budget"] is None
    deployment = answer.deployment(untrained=True)
    deployment.save(tmp_path / "network")
    description = json.loads((tmp_path / "network/network.json").read_text())
    assert description["budget_ms"] is None


@pytest.mark.parametrize("budget", [Decimal("7.5"), Fraction(15, 2), np.float16(7.5), np.array(7.5), 7.5])
def test_any_kind_of_number_is_a_budget(generator, budget):
    assert generator.generate(budget, device="exact") == generator.generate([7.5], device="exact")[0]


BAD_BUDGETS = [True, {"latency_ms": True}, [False], np.bool_(True), {"latency_ms": None}, {"latency_ms": "x"}]
BAD_BUDGETS += ["12", b"5", ["12"], {"latency_ms": "5"}, {"latency_ms": b"5"}, 10**400, 10**5000]


@pytest.mark.parametrize("budget", BAD_BUDGETS, ids=range(len(BAD_BUDGETS)))
def test_what_is_no_number_is_no_budget(generator, budget):
    with pytest.raises(nagevo.BudgetError, match="expected budgets in ms or limits by name"):
        generator.generate(budget, device="exact")


def test_the_command_names_an_answer_without_a_budget(bundle, monkeypatch, capsys):
    asked = ("generate", "--bundle", str(bundle), "--device", "exact", "--budget", "inf")
    assert run(monkeypatch, capsys, *asked)[1].startswith("any budget on exact: ")
