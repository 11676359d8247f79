"""A whole run on tables: what it leaves behind, and that it is the same every time."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import contents, snakemake, table_experiment, write_config

import nagevo

BUDGETS_MS = np.linspace(2.0, 15.0, 40)


def test_the_measurements_hold_as_many_evaluations_as_asked_for_all_different(finished):
    folder, config = finished
    table = pd.read_parquet(folder / "results/tiny/measurements.parquet")
    assert table.columns.tolist()[:3] == ["architecture", "round", "accuracy"]
    assert table.columns.tolist()[3:] == ["latency_ms_phone", "latency_ms_board", "energy_mj_meter"]
    assert len(table) == table["architecture"].nunique() == config["search"]["evaluations"]
    assert table["accuracy"].notna().all()


def test_a_latency_that_failed_is_a_row_with_a_status(finished):
    folder, _ = finished
    rows = pd.concat(pd.read_parquet(path) for path in folder.glob("results/tiny/r*/**/latency/board/*.parquet"))
    failed = rows[rows["latency_ms"].isna()]
    assert len(failed)
    assert (failed["status"] != "ok").all()


def test_a_larger_budget_is_never_answered_less_accurately(finished):
    folder, _ = finished
    generator = nagevo.load(folder / "results/tiny/generator")
    assert generator.devices == ("phone", "board", "meter")
    answers = generator.answers(BUDGETS_MS, device="phone")
    held = [answer for answer in answers if not isinstance(answer, nagevo.InfeasibleBudget)]
    assert len(held) > 30
    assert all(answer.latency_bound_ms <= answer.budget for answer in held)
    assert np.all(np.diff([answer.accuracy for answer in held]) >= 0)


def test_an_infeasible_budget_carries_the_smallest_that_can_be_answered(finished):
    folder, _ = finished
    generator = nagevo.load(folder / "results/tiny/generator")
    with pytest.raises(nagevo.InfeasibleBudget) as caught:
        generator.generate(0.01, device="phone")
    minimum = caught.value.minimum
    assert generator.generate(minimum, device="phone").latency_bound_ms == minimum


def test_the_evaluation_reports_every_method_on_every_device(finished):
    folder, _ = finished
    report = json.loads((folder / "results/tiny/evaluation.json").read_text())
    assert report["devices"].keys() == {"phone", "board", "meter"}
    for device in report["devices"].values():
        assert device["metrics"].keys() == {"generator", "best_measured"}
        assert device["metrics"]["best_measured"]["violation_rate"] == 0.0  # a table's latency is the same again


def test_runs_on_1_and_on_8_cores_give_equal_tables_bundles_and_answers(finished, tmp_path):
    folder, config = finished
    table_experiment(tmp_path)
    write_config(tmp_path, config)
    snakemake(tmp_path, "--cores", "1", "all")
    patterns = (
        "results/**/*.parquet",
        "results/**/*.csv",
        "results/tiny/generator/**/*",
        "results/tiny/evaluation.json",
    )
    expected = contents(folder, *patterns)
    assert len(expected) > 35
    assert contents(tmp_path, *patterns) == expected
    for device in config["devices"]:
        answers = [
            nagevo.load(path / "results/tiny/generator").answers(BUDGETS_MS, device=device)
            for path in (folder, tmp_path)
        ]
        assert list(map(repr, answers[0])) == list(map(repr, answers[1]))
