"""Devices that are added to a generator: what is kept, combined and locked."""

from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pandas as pd
import pytest
from made_up import SPACE, learned, measured, run

import nagevo
from nagevo.deploy.model_card import model_card
from nagevo.foundation.errors import ArchitectureError, DataError, DeviceError
from nagevo.foundation.machine import describe_machine
from nagevo.foundation.tables import write_table
from nagevo.measure.latency.base import Device
from nagevo.measure.latency.condition import Reading
from nagevo.measure.latency.timing import TimedDevice, readings_table


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Return the bundle of 40 measurements on one device."""
    folder = tmp_path_factory.mktemp("original") / "generator"
    learned(measured(40, "exact"), folder)
    return folder


@pytest.fixture
def bundle(original, tmp_path):
    return shutil.copytree(original, tmp_path / "results/made-up/generator")


def latencies(texts, factor: float = 3.0) -> dict[str, float]:
    """Return latencies of a device that is slower than the known one by a factor."""
    cost = np.array([0.0, 0.1, 0.3, 1.0, 2.0])[SPACE.from_text(list(texts))].sum(axis=1)
    return dict(zip(texts, (factor * (1.0 + cost)).tolist(), strict=True))


class Board(Device):
    """Is timed beside two references, on a machine that is twice as slow when it is measured again."""

    slow = 1.0

    def measure(self, space, choices):
        values = self.slow * np.array(list(latencies(space.to_text(choices)).values()))
        references = np.tile([self.slow, 9.0 * self.slow], (4, 1))
        return readings_table([Reading(np.full((4, 5), value), references) for value in values], "median")


def test_devices_added_by_generators_that_were_loaded_before_are_all_kept(bundle):
    first, second = nagevo.load(bundle), nagevo.load(bundle)
    probes = first.probes_for("a")
    first.adapt("a", latencies(probes))
    grown = second.adapt("b", latencies(probes, 5.0))
    assert grown.devices == nagevo.load(bundle).devices == ("exact", "a", "b")
    assert first.devices == ("exact",)


def test_devices_added_at_once_are_all_kept(bundle):
    names = [f"device{number}" for number in range(4)]
    probes = latencies(nagevo.load(bundle).probes_for("new"))
    start, failures = threading.Barrier(len(names)), []

    def add(name):
        generator = nagevo.load(bundle)
        start.wait()
        try:
            generator.adapt(name, probes)
        except nagevo.NagevoError as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(nagevo.load(bundle).devices) == {"exact", *names}


def test_added_devices_outlive_a_new_distillation(bundle):
    generator = nagevo.load(bundle)
    probes = generator.probes_for("board", 6)
    generator.adapt("board", latencies(probes[:4]), exact=True)
    nagevo.load(bundle).adapt("board", latencies(probes[4:]), exact=True)
    before = nagevo.load(bundle)
    table = pd.read_parquet(bundle.parent / "adapted/board.parquet")
    assert set(table["architecture"]) == set(probes)
    assert list(table.columns) == ["architecture", "latency_ms", "exact"]
    shutil.rmtree(bundle)  # as Snakemake does with what a rule is to write
    again = learned(measured(40, "exact"), bundle)
    assert again.devices == ("exact", "board")
    assert again.generate(20.0, device="board", confidence=0.5) == before.generate(20.0, device="board", confidence=0.5)


def test_readings_that_fit_no_longer_are_left_out_by_name(bundle, caplog):
    folder = bundle.parent / "adapted"
    folder.mkdir()
    pd.DataFrame({"architecture": ["a"], "latency_ms": [1.0], "exact": False}).to_parquet(folder / "old.parquet")
    assert learned(measured(40, "exact"), bundle).devices == ("exact",)
    assert "adapted/old.parquet is left out: " in caplog.text
    assert (folder / "old.parquet").exists()


def test_several_readings_of_an_architecture_count_as_their_median(bundle):
    generator = nagevo.load(bundle)
    true = latencies(generator.probes_for("board", 6))
    noisy = {text: [value, 3.0 * value, value, 0.999 * value] for text, value in true.items()}
    expected = generator.adapt("board", true, save=False)
    combined = generator.adapt("board", noisy, save=False)
    np.testing.assert_allclose(
        [step.bound for step in combined.steps(device="board", confidence=0.5)],
        [step.bound for step in expected.steps(device="board", confidence=0.5)],
        rtol=0.01,
    )


def test_readings_of_several_calls_count_as_their_median(bundle):
    true = latencies(nagevo.load(bundle).probes_for("board", 6))
    for factor in (3.0, 1.0, 1.0):
        nagevo.load(bundle).adapt("board", {text: factor * value for text, value in true.items()})
    table = nagevo.load(bundle).predictor.measurements
    rows = nagevo.load(bundle).predictor.rows(SPACE.normal(SPACE.from_text(list(true))))
    np.testing.assert_allclose(table.values["board"][rows], list(true.values()))


def test_earlier_readings_can_be_forgotten(bundle):
    true = latencies(nagevo.load(bundle).probes_for("board", 6))
    nagevo.load(bundle).adapt("board", {text: 1000.0 * value for text, value in true.items()})
    again = nagevo.load(bundle).adapt("board", true, replace=True)
    assert again.generate(1e9, device="board", confidence=0.5).value < 100.0
    assert len(pd.read_parquet(bundle.parent / "adapted/board.parquet")) == 6


def test_the_command_combines_repeated_rows_of_a_table(bundle, monkeypatch, capsys, tmp_path):
    true = latencies(nagevo.load(bundle).probes_for("board", 6))
    rows = [(text, factor * value) for text, value in true.items() for factor in (1.0, 1.0, 3.0)]
    pd.DataFrame(rows, columns=["architecture", "latency_ms"]).to_csv(tmp_path / "t.csv", index=False)
    arguments = ("adapt", "--bundle", str(bundle), "--device", "board", "--measurements", str(tmp_path / "t.csv"))
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, "board adapted to 18 measurements" in err) == (0, True)
    expected = nagevo.load(bundle).adapt("twin", true, save=False)
    assert expected.generate(20.0, device="twin", confidence=0.5).value == pytest.approx(
        nagevo.load(bundle).generate(20.0, device="board", confidence=0.5).value
    )


@pytest.mark.parametrize("content", ["architecture,latency_ms\nx,4.31\n", "notes", ""])
def test_what_was_measured_is_not_written_over_by_architectures(bundle, monkeypatch, capsys, tmp_path, content):
    path = tmp_path / "probes.csv"
    arguments = ("adapt", "--bundle", str(bundle), "--device", "board", "--architectures", str(path))
    assert [run(monkeypatch, capsys, *arguments, "--probes", n)[0] for n in ("3", "4")] == [0, 0]
    assert len(pd.read_csv(path)) == 4
    path.write_text(content)
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, "probes.csv exists and is not a table of architectures to measure" in err) == (2, True)
    assert path.read_text() == content


def test_adapting_through_a_link_changes_the_bundle_and_keeps_the_link(bundle, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(bundle)
    generator = nagevo.load(link)
    generator.adapt("board", latencies(generator.probes_for("board")))
    assert link.is_symlink()
    assert nagevo.load(bundle).devices == nagevo.load(link).devices == ("exact", "board")
    assert (bundle.parent / "adapted/board.parquet").exists()


def test_a_bundle_outside_an_experiment_keeps_its_readings_itself(original, tmp_path):
    folder = shutil.copytree(original, tmp_path / "model")
    true = latencies(nagevo.load(folder).probes_for("board", 6))
    for factor in (3.0, 1.0, 1.0):
        nagevo.load(folder).adapt("board", {text: factor * value for text, value in true.items()})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    readings = nagevo.load(folder).knowledge.readings["board"]
    np.testing.assert_allclose(sorted(readings.combined()[1]), sorted(true.values()))


def test_an_architecture_that_failed_on_a_device_is_never_its_answer(bundle):
    generator = nagevo.load(bundle)
    probes = latencies(generator.probes_for("board", 6))
    whole = generator.adapt("board", probes, save=False)
    best = whole.generate(1e9, device="board", confidence=0.5).architecture
    assert best not in probes
    told = generator.adapt("board", {**probes, best: float("nan")})
    assert told.generate(1e9, device="board", confidence=0.5).architecture != best
    assert told.generate(1e9, device="exact", confidence=0.5).architecture == best
    later = nagevo.load(bundle).adapt("board", dict(list(probes.items())[:2]))
    steps = later.steps(device="board", confidence=0.5)
    assert best not in [step.architecture for step in steps]
    assert best not in later.offers(device="board", confidence=0.5)["architecture"]


def test_a_bundle_with_files_of_others_is_refused_and_they_stay(bundle):
    (bundle / "notes.txt").write_text("mine")
    generator = nagevo.load(bundle)
    with pytest.raises(nagevo.NagevoError, match=r"holds notes\.txt, which nagevo did not write"):
        generator.adapt("board", latencies(generator.probes_for("board")))
    assert (bundle / "notes.txt").read_text() == "mine"
    assert nagevo.load(bundle).devices == ("exact",)


def test_what_cannot_be_read_leaves_the_bundle_as_it_was(bundle):
    generator = nagevo.load(bundle)
    probes = generator.probes_for("board")
    content = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    for error, measurements in [
        (DataError, {probes[0]: 1.0}),
        (DataError, {probes[0]: [1.0, 2.0]}),
        (DataError, {probes[0]: [1.0, -2.0], probes[1]: 3.0}),
        (DataError, dict.fromkeys(probes, float("inf"))),
        (DataError, latencies(probes) | {probes[0]: 1.7976931348623157e308}),
        (DataError, latencies(probes) | {probes[0]: 5e-324}),
        (DataError, dict.fromkeys(probes, float("nan"))),
        (DataError, dict.fromkeys(probes, None)),
        (DataError, dict.fromkeys(probes, True)),
        (DataError, {text: str(value) for text, value in latencies(probes).items()}),
        (DataError, dict.fromkeys(probes, b"5")),
        (DataError, {text: {value: value} for text, value in latencies(probes).items()}),
        (DataError, dict.fromkeys(probes, 10**400)),
        (DataError, list(latencies(probes).items())),
        (DataError, {}),
        (ArchitectureError, {"nothing": 1.0, **latencies(probes)}),
    ]:
        with pytest.raises(error):
            generator.adapt("board", measurements)
    assert content == {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    assert not (bundle.parent / "adapted").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [2, 10])
def test_the_most_absurd_latencies_that_are_allowed_leave_a_bundle(bundle, n):
    generator = nagevo.load(bundle)
    probes = generator.probes_for("board", n)
    for values in ([1e-12, 1e12, 1.0], [2.0, 2.0, 1e12]):
        generator.adapt("board", dict(zip(probes, (values * 5)[:n], strict=True)), replace=True)
        loaded = nagevo.load(bundle)
        highest = loaded.highest_confidence("board")
        assert np.isfinite([step.bound for step in loaded.steps(device="board", confidence=highest)]).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_predicts_no_number_is_refused_before_anything_is_written(bundle, monkeypatch):
    content = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    generator = nagevo.load(bundle)
    probes = latencies(generator.probes_for("board", 6))
    monkeypatch.setattr("nagevo.generator.readings.possible", np.isfinite)
    with pytest.raises(DataError, match="nothing can be predicted from the values of board: "):
        generator.adapt("board", {**probes, next(iter(probes)): 1.7976931348623157e308})
    assert content == {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    assert not (bundle.parent / "adapted").exists()


def test_a_generator_is_adapted_after_the_working_directory_changed(bundle, monkeypatch, tmp_path):
    monkeypatch.chdir(bundle.parent)
    generator = nagevo.load("generator")
    monkeypatch.chdir(tmp_path)
    assert generator.adapt("board", latencies(generator.probes_for("board"))).devices == ("exact", "board")
    assert str(generator.folder) == "generator"


def test_a_name_that_is_too_long_for_a_file_is_refused(bundle):
    generator = nagevo.load(bundle)
    with pytest.raises(nagevo.DeviceError, match="at most 100 of them"):
        generator.adapt("a" * 300, latencies(generator.probes_for("board")))


def test_names_and_numbers_of_probes_that_are_none_are_refused(bundle):
    generator = nagevo.load(bundle)
    for name in (None, 5, ["board"], ""):
        with pytest.raises(DeviceError, match='expected letters, digits, "_" and "-" as name of a device'):
            generator.adapt(name, latencies(generator.probes_for("board")))
    with pytest.raises(DeviceError, match='"accuracy" cannot be the name of a device'):
        generator.adapt("accuracy", latencies(generator.probes_for("board")))
    with pytest.raises(nagevo.BudgetError, match='device "nope" is unknown'):
        generator.others("nope")
    for n in (0, -1, 2.5, "three"):
        with pytest.raises(DataError, match="expected a whole number of probes, at least 1, got"):
            generator.probes_for("board", n)


def test_failures_in_a_table_are_counted_among_what_was_tried(bundle, monkeypatch, capsys, tmp_path):
    probes = latencies(nagevo.load(bundle).probes_for("board", 6))
    table = pd.DataFrame({"architecture": probes.keys(), "latency_ms": probes.values(), "status": "ok"})
    table.loc[2, ["latency_ms", "status"]] = [None, "out of memory"]
    table.to_csv(tmp_path / "t.csv", index=False)
    arguments = ("adapt", "--bundle", str(bundle), "--device", "board", "--measurements", str(tmp_path / "t.csv"))
    assert run(monkeypatch, capsys, *arguments)[0] == 0
    assert "1 of 6 failed on board" in run(monkeypatch, capsys, "show", str(bundle), "--confidence", "0.5")[1]


def test_only_a_row_that_was_tried_and_has_no_latency_failed(bundle, monkeypatch, capsys, tmp_path):
    probes = latencies(nagevo.load(bundle).probes_for("board", 6))
    table = pd.DataFrame({"architecture": probes.keys(), "latency_ms": probes.values(), "status": "ok"})
    arguments = ("adapt", "--bundle", str(bundle), "--device", "board", "--measurements", str(tmp_path / "t.csv"))
    table.assign(status=["ok", "crash"] * 3).to_csv(tmp_path / "t.csv", index=False)
    code, _, err = run(monkeypatch, capsys, *arguments)
    message = 'row 2, column status: expected ok or nothing beside a value of latency_ms, got "crash"'
    assert (code, message in err) == (2, True), err
    table.loc[2, ["latency_ms", "status"]] = [None, "unknown: not in t.csv"]
    table.to_csv(tmp_path / "t.csv", index=False)
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, "board adapted to 5 measurements" in err) == (0, True), err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,5", "row 2: "),
        ("{},-5", "row 2, column latency_ms: expected a number from 1e-12 to 1e+12, got -5"),
        ("{},inf", "row 2, column latency_ms: expected a number from 1e-12 to 1e+12, got inf"),
        ("{},1.7976931348623157e308", "row 2, column latency_ms: expected a number from 1e-12 to 1e+12, got 1.79"),
        ("{},5e-324", "row 2, column latency_ms: expected a number from 1e-12 to 1e+12, got 5e-324"),
        ("{},5 ms", 'row 2, column latency_ms: expected a number, got "5 ms"'),
    ],
)
def test_a_wrong_cell_of_measurements_is_named(bundle, monkeypatch, capsys, tmp_path, row, message):
    first, second, third = nagevo.load(bundle).probes_for("board", 3)
    (tmp_path / "t.csv").write_text(f"architecture,latency_ms\n{first},4\n{row.format(second)}\n{third},6\n")
    arguments = ("adapt", "--bundle", str(bundle), "--device", "board", "--measurements", str(tmp_path / "t.csv"))
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, "t.csv, " in err, message in err) == (2, True, True), err


def test_a_damaged_file_of_readings_is_named_and_can_be_replaced(bundle):
    generator = nagevo.load(bundle)
    probes = latencies(generator.probes_for("board"))
    generator.adapt("board", probes)
    (bundle.parent / "adapted/board.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"adapted/board\.parquet cannot be read"):
        generator.adapt("board", probes)
    generator.adapt("board", probes, replace=True)
    assert len(pd.read_parquet(bundle.parent / "adapted/board.parquet")) == len(probes)


def test_the_condition_of_an_added_device_is_kept_and_told(bundle, monkeypatch, capsys):
    backend = json.dumps({"devices": {"board": {"backend": "test_adapting:Board"}}})
    arguments = ("adapt", "--bundle", str(bundle), "--device", "board", "--config", backend)
    code, _, err = run(monkeypatch, capsys, *arguments, "--probes", "4")
    assert (code, "board: median on the quiet machine; undisturbed while measured" in err) == (0, True)
    monkeypatch.setattr(Board, "slow", 2.0)
    assert "disturbed 100 % of the time" in run(monkeypatch, capsys, *arguments, "--probes", "4")[2]
    shutil.rmtree(bundle)
    again = learned(measured(40, "exact"), bundle)  # from the readings that the experiment keeps
    answer = again.generate(20.0, device="board", confidence=0.5)
    assert (answer.statistic, answer.condition) == ("median", "quiet")
    (values,) = (readings.values for readings in again.knowledge.readings.values())
    true = latencies(SPACE.to_text(again.knowledge.readings["board"].choices))
    np.testing.assert_allclose(values, list(true.values()))
    shown = run(monkeypatch, capsys, "show", str(bundle), "--confidence", "0.5")[1]
    assert "board: median on the quiet machine; disturbed 100 %" in shown
    forgotten = again.adapt("board", latencies(again.probes_for("other")), replace=True)
    assert forgotten.generate(20.0, device="board", confidence=0.5).statistic is None


def test_a_condition_that_cannot_be_read_is_named(bundle):
    generator = nagevo.load(bundle)
    probes = latencies(generator.probes_for("board"))
    generator.adapt("board", probes)
    path = bundle.parent / "adapted/board.parquet"
    write_table(pd.read_parquet(path).assign(condition="quiet"), path)
    with pytest.raises(DataError, match="expected the condition of the device as JSON, got 'quiet'"):
        generator.adapt("board", probes)


CONDITION = {"statistic": "median", "condition": "quiet", "disturbed": 0.0, "slowdown": 1.0, "quiet": [1.0, 9.0]}
CONDITION |= {"states": [0.0], "references": {}, "machine": None}


@pytest.mark.parametrize(
    "condition",
    [
        5,
        "quiet",
        {},
        CONDITION | {"machine": "a processor"},
        CONDITION | {"disturbed": float("nan")},
        CONDITION | {"quiet": np.array([1.0, 9.0])},
        CONDITION | {"quiet": [-1.0]},
        CONDITION | {"condition": "calm"},
    ],
)
def test_a_wrong_condition_is_refused_before_the_bundle_is_written(bundle, condition):
    generator = nagevo.load(bundle)
    with pytest.raises(DataError, match="the option condition: expected the condition of a device, as an entry"):
        generator.adapt("board", latencies(generator.probes_for("board")), condition=condition)
    assert nagevo.load(bundle).devices == ("exact",)
    assert not (bundle.parent / "adapted").exists()


def test_the_card_says_the_processor_of_the_device_not_of_the_distiller(bundle):
    generator, board = nagevo.load(bundle), {"processor": "Cortex-A76", "cores": 4, "system": "Linux"}
    grown = generator.adapt("board", latencies(generator.probes_for("board")), condition=CONDITION | {"machine": board})
    answer = grown.generate(20.0, device="board", confidence=0.5)
    card = model_card(answer.deployment(untrained=True).description, {})
    assert "| measured on | Cortex-A76, Linux; undisturbed while measured |" in card
    assert f"| distilled on | {describe_machine()['processor']}, " in card


def test_readings_of_two_statistics_are_not_mixed(bundle):
    generator = nagevo.load(bundle)
    probes = latencies(generator.probes_for("board"))
    grown = generator.adapt("board", probes, condition=CONDITION)
    other = CONDITION | {"statistic": "p95"}
    with pytest.raises(DeviceError, match="was timed as median on the quiet machine, got p95 on the quiet machine"):
        grown.adapt("board", probes, condition=other)
    replaced = grown.adapt("board", probes, condition=other, replace=True)
    assert replaced.generate(20.0, device="board", confidence=0.5).statistic == "p95"


class Slow(TimedDevice):
    """Times nothing in a test: whoever measures on it has not looked before."""

    def opened(self):
        raise AssertionError("measured before it was refused")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"statistic": "p95"}, "board was timed as median on the quiet machine, got p95 on the quiet machine"),
        ({"condition": "observed"}, "got median on the machine as observed"),
        ({"measures": "energy_mj"}, "board measures latency_ms, got energy_mj"),
        ({"device": "exact"}, "exact was measured in the experiment"),
        ({"device": "b" * 101}, "at most 100 of them"),
        ({"file": "notes.txt"}, "holds notes.txt, which nagevo did not write"),
    ],
)
def test_what_cannot_be_added_is_refused_before_it_is_measured(bundle, monkeypatch, capsys, change, message):
    generator, options = nagevo.load(bundle), {"backend": "test_adapting:Slow", **change}
    generator.adapt("board", latencies(generator.probes_for("board")), condition=CONDITION)
    name = options.pop("device", "board")
    if file := options.pop("file", None):
        (bundle / file).write_text("mine")
    if measures := options.pop("measures", None):
        monkeypatch.setattr(Slow, "measures", measures)
    config = json.dumps({"devices": {name: options}})
    arguments = ("adapt", "--bundle", str(bundle), "--device", name, "--config", config)
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, message in err.replace('"', "")) == (2, True), err


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        ("exact", [False, True], "row 2, column exact: expected the same as in row 1, got True"),
        ("condition", [CONDITION, CONDITION | {"statistic": "p95"}], "row 2, column condition: expected the same as"),
        ("condition", [CONDITION, None], "row 2, column condition: expected the same as in row 1, got an empty cell"),
    ],
)
def test_the_rows_of_a_file_of_readings_are_of_one_device(bundle, column, cells, message):
    generator = nagevo.load(bundle)
    probes = latencies(generator.probes_for("board"))
    generator.adapt("board", probes)
    path = bundle.parent / "adapted/board.parquet"
    table = pd.read_parquet(path)
    told = [json.dumps(cell) if isinstance(cell, dict) else cell for cell in cells]
    write_table(table.assign(**{column: [told[0], *told[1:] * (len(table) - 1)]}), path)
    with pytest.raises(DataError, match=message):
        generator.adapt("board", probes)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("latency_ms", -1.0, r"row 1, column latency_ms: expected a number from 1e-12 to 1e\+12, got -1.0"),
        ("exact", "no", 'row 1, column exact: expected true or false, got "no"'),
    ],
)
def test_a_wrong_cell_of_kept_readings_is_named(bundle, column, cell, message):
    generator = nagevo.load(bundle)
    probes = latencies(generator.probes_for("board"))
    generator.adapt("board", probes)
    path = bundle.parent / "adapted/board.parquet"
    write_table(pd.read_parquet(path).assign(**{column: cell}), path)
    with pytest.raises(DataError, match=message):
        generator.adapt("board", probes)


def test_probes_are_measured_again_for_replacement_only(bundle, monkeypatch, capsys):
    backend = json.dumps({"devices": {"board": {"backend": "test_adapting:Board"}}})
    arguments = ("adapt", "--bundle", str(bundle), "--device", "board", "--config", backend)
    _, _, first = run(monkeypatch, capsys, *arguments)
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, err) == (
        2,
        "nagevo: all probes were measured on board before: "
        "measure more with --probes, or the same again with --replace\n",
    )
    code, _, again = run(monkeypatch, capsys, *arguments, "--replace")
    assert (code, again) == (0, first)


@pytest.mark.parametrize("gains", [None, 5, {}, {"devices": {"exact": 0.1}}, {"devices": {"exact": "x"}}])
def test_a_damaged_expected_gain_is_one_line(bundle, monkeypatch, capsys, gains):
    manifest = bundle / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"expected_gain": gains}))
    code, _, err = run(monkeypatch, capsys, "show", str(bundle))
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nagevo: file {manifest} is not the manifest of a bundle: ")
