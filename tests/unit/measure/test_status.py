"""Failures: told by reason, stopped at when there is nothing else, and measured again."""

import numpy as np
import pandas as pd
import pytest

from nagevo.cli import main
from nagevo.foundation.errors import DeviceError
from nagevo.foundation.tables import read_table, write_table
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.latency import create_device
from nagevo.measure.rounds import join_shards
from nagevo.measure.status import measure_failed_again, outcomes, reasons, refuse_all_failed
from nagevo.spaces import create_space

SPACE = create_space("nasbench201")


def command(monkeypatch, *words) -> int:
    monkeypatch.setattr("sys.argv", ["nagevo", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


def test_what_nobody_measured_did_not_fail():
    table = pd.DataFrame({"energy_mj": [np.nan, np.nan, 3.0], "status": ["unknown: not in t.csv", "it burned", "ok"]})
    assert reasons(table, "energy_mj").tolist() == ["", "it burned", ""]


def test_no_number_is_a_failure_whatever_its_status_says():
    table = pd.DataFrame({"accuracy": [np.nan, 50.0], "status": "ok"})
    assert reasons(table, "accuracy").tolist() == ["gave no number", ""]


def test_a_device_on_which_all_fails_is_named_with_the_first_reason():
    table = pd.DataFrame({"latency_ms": [np.nan] * 6, "status": ["out of memory", *["too hot"] * 5]})
    with pytest.raises(DeviceError, match=r"^6 of 6 failed on mydev, the first: out of memory$"):
        refuse_all_failed(outcomes(table, "latency_ms"), "mydev")
    refuse_all_failed(["ok", "too hot"], "mydev")
    refuse_all_failed([], "mydev")


def test_a_cell_that_is_absent_is_unknown_and_a_negative_one_failed(tmp_path):
    text = SPACE.to_text(SPACE.sample_distinct(3, rng=np.random.default_rng(0)))
    pd.DataFrame({"architecture": text[:2], "latency_ms": [-1.0, 2.0]}).to_csv(tmp_path / "t.csv", index=False)
    rows = create_device("table", path=tmp_path / "t.csv").measure(SPACE, SPACE.from_text(text))
    assert reasons(rows, "latency_ms").tolist() == ["not a number from 1e-12 to 1e+12", "", ""]
    rows.assign(architecture=text, device="phone").pipe(write_table, tmp_path / "0.parquet")
    assert join_shards({"0": read_table(tmp_path / "0.parquet")})["failure_phone"].tolist() == [
        "not a number from 1e-12 to 1e+12",
        "",
        "",
    ]


def test_only_failed_rows_are_measured_again(tmp_path):
    text = SPACE.to_text(SPACE.sample_distinct(4, rng=np.random.default_rng(0)))
    status = ["ok", "unplugged", "out of memory", "ok"]
    rows = pd.DataFrame({"architecture": text, "latency_ms": [1.0, np.nan, np.nan, 4.0], "status": status})
    write_table(rows, tmp_path / "0.parquet")
    write_table(rows.iloc[[0, 3]], tmp_path / "1.parquet")
    before = (tmp_path / "1.parquet").stat().st_mtime_ns

    def measure(choices):
        assert SPACE.to_text(choices) == text[1:3]
        return pd.DataFrame({"latency_ms": [2.0, np.nan], "status": ["ok", "out of memory"]})

    lines = list(measure_failed_again([tmp_path / "0.parquet", tmp_path / "1.parquet"], "latency_ms", SPACE, measure))
    assert lines == [f"{tmp_path / '0.parquet'}: 2 measured again, 1 of them failed again"]
    again = read_table(tmp_path / "0.parquet")
    assert again["latency_ms"].fillna(0).tolist() == [1.0, 2.0, 0.0, 4.0]
    assert again["status"].tolist() == ["ok", "ok", "out of memory", "ok"]
    assert (tmp_path / "1.parquet").stat().st_mtime_ns == before


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Return the command line that profiles three architectures on a device whose table is broken."""
    monkeypatch.chdir(tmp_path)
    text = SPACE.to_text(SPACE.sample_distinct(3, rng=np.random.default_rng(0)))
    pd.DataFrame({"architecture": text, "latency_ms": -1.0, "accuracy": 50.0}).to_csv("t.csv", index=False)
    pd.DataFrame({"architecture": text}).to_csv("a.csv", index=False)
    (tmp_path / "config.yaml").write_text(
        "experiment: x\nspace: {name: nasbench201}\ndevices: {mydev: {backend: table, path: t.csv}}\n"
        "accuracy: {evaluator: table, path: t.csv, column: accuracy}\n"
    )
    path = "results/x/rounds/0/latency/mydev/0.parquet"
    return ["profile", "--config", "config.yaml", "--device", "mydev", "--architectures", "a.csv", "--output", path]


def test_profiling_the_first_round_stops_when_all_fails(broken, monkeypatch, capsys, tmp_path):
    assert command(monkeypatch, *broken, "--first") == 2
    assert "nagevo: 3 of 3 failed on mydev, the first: not a number from 1e-12 to 1e+12" in capsys.readouterr().err
    assert not (tmp_path / broken[-1]).exists()


def test_failed_rows_are_counted_and_measured_again_after_a_repair(broken, monkeypatch, capsys, caplog):
    assert command(monkeypatch, *broken) == 0
    assert "3 of 3 failed on mydev: 3 × not a number from 1e-12 to 1e+12" in caplog.text
    table = pd.read_csv("t.csv")
    table.assign(latency_ms=[1.0, 2.0, -1.0]).to_csv("t.csv", index=False)
    assert command(monkeypatch, "measure", "--config", "config.yaml", "--failed") == 0
    assert "3 measured again, 1 of them failed again" in capsys.readouterr().err
    assert read_table(broken[-1])["latency_ms"].fillna(0).tolist() == [1.0, 2.0, 0.0]
    table.assign(latency_ms=[1.0, 2.0, 3.0]).to_csv("t.csv", index=False)
    assert command(monkeypatch, "measure", "--config", "config.yaml", "--failed") == 0
    assert "1 measured again, 0 of them failed again" in capsys.readouterr().err
    assert command(monkeypatch, "measure", "--config", "config.yaml", "--failed") == 0
    assert capsys.readouterr().err == "no failed measurements in results/x\n"


class Keeping(Evaluator):
    """An evaluator that tells its cheap readings from full ones, and in which folder it keeps weights."""

    keeps_weights = True

    def __init__(self, space, *, seed: int = 0, reading: float = 80.0):
        super().__init__(space, seed=seed)
        self.reading = reading

    def keep(self, folder):
        self.folder = folder

    def evaluate(self, choices, *, split="validation"):
        return pd.DataFrame({"accuracy": self.reading, "status": f"ok in {self.folder}"}, index=range(len(choices)))


def test_failed_accuracies_are_read_again_as_they_were(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = (
        f"experiment: x\nspace: {{name: nasbench201}}\ndevices: {{cpu: {{backend: torch}}}}\n"
        f"accuracy: {{evaluator: '{__name__}:Keeping', fidelities: [{{cost: 0.1, reading: 20.0}}]}}\n"
    )
    (tmp_path / "config.yaml").write_text(config)
    rows = pd.DataFrame({"architecture": SPACE.to_text(SPACE.extremes()), "accuracy": np.nan, "status": "no memory"})
    full, cheap = (f"results/x/{batch}/validation/0.parquet" for batch in ("rounds/0", "cheap"))
    for path in (full, cheap):
        write_table(rows, path)
    assert command(monkeypatch, "measure", "--config", "config.yaml", "--failed") == 0
    assert read_table(full)["accuracy"].tolist() == [80.0, 80.0]
    assert read_table(cheap)["accuracy"].tolist() == [20.0, 20.0]
    assert set(read_table(cheap)["status"]) == {"ok in results/x/trained"}
