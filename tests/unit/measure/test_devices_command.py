import os
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from nagevo.foundation.errors import ConfigError, DeviceError
from nagevo.measure.latency import create_device
from nagevo.measure.latency.command import CommandDevice, last_line, output_of, parse_quantity

BENCHMARK = Path(__file__).parents[3] / "resources/devices/onnx_benchmark.py"
NETWORKS = np.array([[1], [0]], dtype=np.int8)


@pytest.fixture
def script(tmp_path):
    """Return a function from the text of a shell script to a command that runs it."""

    def write(text):
        path = tmp_path / "benchmark.sh"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return f"{path} {{model}} {{batch}}"

    return write


def measured(space, command, **options):
    """Return the rows of the first network."""
    return CommandDevice(command=command, **options).measure(space, NETWORKS[:1]).iloc[0]


def test_a_real_benchmark_program_tells_a_wide_network_from_a_narrow_one(convolution_space):
    command = f"{sys.executable} {BENCHMARK} {{model}} --bursts 3"
    rows = CommandDevice(command=command, batch=512, rounds=1).measure(convolution_space, NETWORKS)
    assert rows["status"].tolist() == ["ok", "ok"]
    assert rows["latency_ms"][0] > 2 * rows["latency_ms"][1] > 0


def test_the_program_gets_an_onnx_file_and_the_batch(convolution_space, script, tmp_path):
    row = measured(convolution_space, script(f'cp "$1" {tmp_path}/copy.onnx; echo "$2"'), batch=7, rounds=1)
    assert row["latency_ms"] == 7.0
    import onnx

    images = onnx.load(tmp_path / "copy.onnx").graph.input[0]
    assert [size.dim_value for size in images.type.tensor_type.shape.dim] == [7, 1, 8, 8]


def test_each_network_is_called_once_in_each_round_and_the_files_are_removed(convolution_space, script, tmp_path):
    CommandDevice(command=script(f'echo "$1" >> {tmp_path}/calls; echo 1'), rounds=3).measure(
        convolution_space, NETWORKS
    )
    calls = [Path(name).stem for name in (tmp_path / "calls").read_text().split()]
    assert calls == ["network0", "network1", "network2"] * 3 + ["network0"]  # the space has one reference
    assert not any(map(os.path.exists, (tmp_path / "calls").read_text().split()))


def test_no_shell_reads_the_command(convolution_space, script, tmp_path):
    command = script('echo "$3" > "$(dirname "$0")/words"; echo 2') + f" '; touch {tmp_path}/owned; $(id) *'"
    assert measured(convolution_space, command, rounds=1)["latency_ms"] == 2.0
    assert (tmp_path / "words").read_text() == f"; touch {tmp_path}/owned; $(id) *\n"
    assert not (tmp_path / "owned").exists()


@pytest.fixture
def awkward_folder(tmp_path, monkeypatch):
    """Return a folder for temporary files whose name a shell would take for a program."""
    folder = tmp_path / "a b; touch owned; $(touch owned) `touch owned` '\" {batch} * &"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(tmp_path.rglob("owned"))


def test_the_path_of_the_file_is_one_word_whatever_it_holds(convolution_space, script, awkward_folder):
    command = script('[ -f "$1" ] && [ $# = 2 ] && echo 5')
    assert measured(convolution_space, command, rounds=1)["latency_ms"] == 5.0


@pytest.mark.parametrize("name", ["board.sh pi@board", "phone.sh"])
def test_the_scripts_take_a_path_whatever_it_holds(convolution_space, stand_in, awkward_folder, name):
    stand_in("scp", '[ -f "$2" ]')
    stand_in("ssh", "echo 4.5 ms")
    stand_in("adb", '[ "$1" != push ] || [ -f "$2" ] || exit 1; echo "Average inference time cost: 4.5 ms"')
    assert measured(convolution_space, f"{BENCHMARK.parent}/{name} {{model}}", rounds=1)["latency_ms"] == 4.5


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("echo no device >&2; exit 3", r"benchmark\.sh ended with status 3: no device"),
        ("echo 12 fps", "expected the latency in ms in the last line of the output, got '12 fps'"),
        ("exit 0", "expected the latency in ms in the last line of the output, got ''"),
        ("echo -- -1.0", "expected the latency in ms"),
        ("echo nan", "expected the latency in ms"),
        (r"printf '\377\376\n'", "expected the latency in ms"),
        ("kill -9 $$", "ended with status -9"),
    ],
)
def test_failures_and_nonsense_are_rows_with_a_status(convolution_space, script, text, status):
    row = measured(convolution_space, script(text))
    assert np.isnan(row["latency_ms"])
    assert re.search(status, row["status"])


def test_a_program_that_hangs_is_ended_with_all_that_it_started(convolution_space, script, tmp_path):
    text = f"(sleep 2; touch {tmp_path}/survivor) & sleep 30"
    start = time.monotonic()
    row = measured(convolution_space, script(text), timeout_s=0.5)
    assert row["status"].endswith("benchmark.sh took longer than 0.5 s")
    assert time.monotonic() - start < 10
    time.sleep(2.0)
    assert not (tmp_path / "survivor").exists()


def test_a_program_that_is_not_executable_is_a_failure(tmp_path):
    with pytest.raises(DeviceError, match="cannot be started"):
        output_of([str(tmp_path)], timeout_s=1.0)


def test_an_absent_program_cannot_be_opened(convolution_space):
    with pytest.raises(DeviceError, match="there is no program no-such-benchmark to run"):
        CommandDevice(command="no-such-benchmark {model}").measure(convolution_space, NETWORKS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"command": "bench"}, "expected a command with {model} in it"),
        ({"command": "{model}"}, "expected an argument with {model}"),
        ({"command": "bench '{model}"}, "cannot be split into words"),
        ({"command": "bench {model}", "timeout_s": 0}, "timeout_s: expected more than 0, got 0"),
    ],
)
def test_commands_that_cannot_work_are_errors(options, message):
    with pytest.raises(ConfigError, match=message):
        create_device("command", **options)


@pytest.mark.parametrize(("text", "latency_ms"), [("3", 3.0), ("warming up\n1.5e1 ms\n\n", 15.0), ("0.25ms", 0.25)])
def test_the_last_line_is_the_latency(text, latency_ms):
    assert parse_quantity(text) == latency_ms


def test_the_last_line_of_nothing_is_empty():
    assert (last_line(""), last_line("a\n b \n\n")) == ("", "b")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Return a function that puts a shell script in the place of a program."""

    def put(name, text):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")

    return put


def test_the_script_for_a_board_copies_runs_and_removes(convolution_space, stand_in, tmp_path):
    board = tmp_path / "board"
    board.mkdir()
    stand_in("scp", f'cp "$2" {board}/network.onnx; echo "$3" > {tmp_path}/target')
    stand_in("ssh", f'shift; echo "$1" >> {tmp_path}/ran; [ "$1" = rm ] && rm {board}/network.onnx || echo 4.5 ms')
    command = f"{BENCHMARK.parent}/board.sh pi@board {{model}}"
    assert measured(convolution_space, command, rounds=1)["latency_ms"] == 4.5
    assert (tmp_path / "target").read_text().startswith("pi@board:/tmp/network0.onnx")  # the last reference
    assert (tmp_path / "ran").read_text().split() == ["python3", "rm"] * 3  # the network between two references
    assert not list(board.iterdir())


def test_the_script_for_a_phone_takes_the_average_out_of_the_output(convolution_space, stand_in):
    stand_in(
        "adb", '[ "$1" = push ] || printf "Session creation time cost: 0.1 s\\nAverage inference time cost: 7.25 ms\\n"'
    )
    assert measured(convolution_space, f"{BENCHMARK.parent}/phone.sh {{model}}", rounds=1)["latency_ms"] == 7.25


def test_the_script_for_a_phone_fails_where_adb_does(convolution_space, stand_in):
    stand_in("adb", "echo 'no devices/emulators found' >&2; exit 1")
    row = measured(convolution_space, f"{BENCHMARK.parent}/phone.sh {{model}}", rounds=1)
    assert row["status"].endswith("phone.sh ended with status 1: no devices/emulators found")


def test_a_file_that_may_not_be_executed_is_told_from_one_that_is_absent(convolution_space, tmp_path):
    (tmp_path / "program.sh").write_text("echo 5")
    with pytest.raises(DeviceError, match=r"program\.sh may not be executed: chmod \+x"):
        measured(convolution_space, f"{tmp_path}/program.sh {{model}}", rounds=1)
