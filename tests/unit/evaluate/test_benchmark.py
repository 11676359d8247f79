"""How good answers are where the truth is known, on a made-up table of all cells of NAS-Bench-201."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import SPACE, config, learned, measured
from typer.testing import CliRunner

import nagevo
from nagevo.cli import app
from nagevo.evaluate.benchmark import Truth, known_device, new_device, two_limits
from nagevo.experiment.config import parse_config
from nagevo.foundation import frontier
from nagevo.foundation.files import write_json

PROBES = (3, 6)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Return a folder with the bundle of 60 cells, and an experiment whose devices are tables of all cells.

    One is the device that the bundle knows, one is thrice as slow.
    """
    folder = tmp_path_factory.mktemp("benchmark")
    cells = SPACE.enumerate()
    cost = np.array([0.0, 0.1, 0.3, 1.0, 2.0])[cells].sum(axis=1)
    columns = {"accuracy": 90.0 - 60.0 * np.exp(-0.4 * cost), "exact": 1.0 + cost, "slow": 3.0 * (1.0 + cost)}
    pd.DataFrame({"architecture": SPACE.to_text(cells)} | columns).to_parquet(folder / "t.parquet")
    table = {"backend": "table", "path": str(folder / "t.parquet")}
    values = config("exact")
    values["accuracy"]["path"] = table["path"]
    values["devices"] = {name: table | {"column": name} for name in ("exact", "slow")}
    write_json(values, folder / "truth.yaml")
    learned(measured(60, "exact"), folder / "generator")
    return folder, parse_config(values)


@pytest.fixture
def generator(bundle):
    return nagevo.load(bundle[0] / "generator")


@pytest.fixture
def truth(bundle):
    return lambda device: Truth.of(bundle[1], SPACE, device)


def test_the_truth_of_a_table_is_its_frontier(truth):
    # Each cell costs what makes it accurate: all are on the frontier but those of equal cost.
    true = truth("slow").frontier
    assert true[0].tolist() == [pytest.approx(70.0), 3.0]
    assert true[-1].tolist() == [pytest.approx(10.0 + 60.0 * np.exp(-4.8)), 39.0]
    np.testing.assert_allclose(true[:, 0], 10.0 + 60.0 * np.exp(-0.4 * (true[:, 1] / 3.0 - 1.0)))


def test_a_known_device_compares_generator_best_measured_and_pnag(generator, truth):
    table = known_device(generator, truth("exact"), "exact", [0.5, 0.9]).set_index("method")
    assert list(table.index) == ["generator", "generator", "best_measured", "pnag", "pnag_best_of_ten"]
    assert table["confidence"].tolist()[:2] == [0.5, 0.9]
    assert table["confidence"][2:].isna().all()
    known = measured(60, "exact")
    budgets = frontier.budgets(truth("exact").frontier)
    best = frontier.best_under(known.values["exact"], known.accuracy, budgets)
    given = np.where((best < 0)[:, None], np.nan, known.objectives("exact")[best])
    assert table.loc["best_measured", "mean_regret"] == pytest.approx(
        frontier.regret(given, budgets, truth("exact").frontier).mean()
    )
    assert table.loc["best_measured", "violation_rate"] == 0.0
    assert table.loc["pnag", "feasible_answered"] == 1.0  # it knows no refusal


def test_a_new_device_is_foreseen_and_every_rival_is_judged(generator, truth):
    table = new_device(generator, truth("slow"), "slow", PROBES, 0.9)
    assert sorted(set(table["method"])) == ["evolution", "generator", "measured", "nearest", "random"]
    assert table["probes"].value_counts().to_dict() == {3: 5, 6: 5}
    assert (table["spearman"] > 0.99).all()
    nearest = table[(table["method"] == "nearest") & (table["probes"] == 6)].iloc[0]
    assert nearest["violation_rate"] == 0.0  # the slow device is the known one, thrice as slow: its table is exact


class Oracle:
    """Answers two limits with the best of all cells, or carelessly with the dearest one."""

    space, seed = SPACE, 0

    def __init__(self, truth: Truth, *, careless: bool):
        self.truth, self.careless = truth, careless

    def answers(self, asked, *, device, confidence):
        (limits,) = asked
        error, latency_ms = self.truth.objectives(self.truth.choices).T
        parameters = SPACE.costs(self.truth.choices)["parameters"]
        holding = (latency_ms <= limits[self.truth.quantity]) & (parameters <= limits["parameters"])
        row = error.argmin() if self.careless else np.where(holding, error, np.inf).argmin()
        return [SimpleNamespace(architecture=SPACE.to_text(self.truth.choices[row : row + 1])[0])]


@pytest.mark.parametrize("quantity", ["latency_ms", "energy_mj"])
def test_the_best_answers_to_two_limits_have_no_regret(truth, quantity):
    exact = replace(truth("exact"), quantity=quantity)
    best, careless = (
        two_limits(Oracle(exact, careless=c), exact, "exact", "parameters", 20, 0.9) for c in (False, True)
    )
    assert (best["max_regret"], best["violation_rate"], best["feasible_answered"]) == (0.0, 0.0, 1.0)
    assert careless["violation_rate"] == 1.0  # the dearest cell breaks every limit that is drawn below it
    assert careless["mean_regret"] > 0.0


def test_the_command_writes_known_and_new_devices_and_leaves_the_bundle(bundle, tmp_path):
    folder, _ = bundle
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    arguments = [
        "--bundle",
        str(folder / "generator"),
        "--probes",
        "3",
        "--pairs",
        "5",
        "--output",
        str(tmp_path / "b.parquet"),
    ]
    result = CliRunner().invoke(app, ["benchmark", "--config", str(folder / "truth.yaml"), *arguments])
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(tmp_path / "b.parquet")
    assert table[table["device"] == "exact"]["method"].tolist()[-1] == "generator, parameters limited too"
    assert set(table[table["device"] == "slow"]["probes"]) == {3}
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_no_pairs_of_limits_are_asked_where_the_space_cannot_be_listed(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("nagevo.evaluate.comparison.ENUMERABLE", 10)
    monkeypatch.setattr("nagevo.evaluate.benchmark.REFERENCE", {"population": 20, "generations": 3})
    arguments = ["--bundle", str(bundle[0] / "generator"), "--probes", "3", "--output", str(tmp_path / "b.csv")]
    result = CliRunner().invoke(app, ["benchmark", "--config", str(bundle[0] / "truth.yaml"), *arguments])
    assert result.exit_code == 0, result.output
    assert "exact: no pairs of limits are asked" in result.stderr
    assert not pd.read_csv(tmp_path / "b.csv")["method"].str.contains("limited too").any()
