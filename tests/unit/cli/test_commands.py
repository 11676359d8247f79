"""The command line: which commands there are, and that every mistake ends in one line."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import pytest
from made_up import CONFIG, config, run

import nagevo
from nagevo import cli
from nagevo.measure.latency import BACKENDS
from nagevo.search import STRATEGIES
from nagevo.spaces import SPACES


def test_the_version_is_that_of_the_package(monkeypatch, capsys):
    assert run(monkeypatch, capsys, "--version") == (0, f"nagevo {nagevo.__version__}\n", "")


@pytest.mark.parametrize("name", [*sum(cli.COMMANDS.values(), ()), *(f"step {name}" for name in cli.STEPS)])
def test_every_command_has_help(monkeypatch, capsys, name):
    code, out, err = run(monkeypatch, capsys, *name.replace("_", "-").split(), "--help")
    assert (code, err) == (0, "")
    assert f"nagevo {name.replace('_', '-')}" in out


def test_the_help_lists_the_commands_and_not_the_steps(monkeypatch, capsys):
    _, out, _ = run(monkeypatch, capsys, "--help")
    assert "generate" in out
    assert "distill" not in out
    assert "distill" in run(monkeypatch, capsys, "step", "--help")[1]


def test_a_command_imports_no_other_command():
    code = (
        "import sys; from nagevo.cli import main\ntry: main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code, "init", "--help"], capture_output=True, text=True, check=False)
    modules = {name for name in ended.stderr.split() if name.startswith("nagevo.")}
    assert modules == {
        "nagevo.cli",
        "nagevo.cli.init",
        "nagevo.cli.lazy",
        "nagevo.foundation",
        "nagevo.foundation.errors",
        "nagevo.foundation.rounding",
    }


@pytest.mark.parametrize(("kind", "known"), [("spaces", SPACES), ("devices", BACKENDS), ("strategies", STRATEGIES)])
def test_every_component_is_listed_with_one_line(monkeypatch, capsys, kind, known):
    code, out, _ = run(monkeypatch, capsys, "list", kind)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(known)
    assert all(len(line.split()) > 3 for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("generrate", "No such command 'generrate'. Did you mean 'generate'? (see nagevo --help)"),
        ("export --budget five --output x", "Invalid value for '--budget'"),
        ("export --bugdet 5 --output x", "No such option: --bugdet"),
        ("step distil", "Did you mean 'distill'? (see nagevo step --help)"),
        ("list networks", "'networks' is not one of"),
        ("sample", "Missing option '--config'"),
    ],
)
def test_a_mistake_in_the_call_is_one_line(monkeypatch, capsys, arguments, message):
    code, out, err = run(monkeypatch, capsys, *arguments.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("nagevo: ")
    assert message in err


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), "/root/x: Permission denied", 2),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "d"), "d: Is a directory", 2),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device", 2),
        (OSError(errno.EROFS, "Read-only file system", "/proc/x"), "/proc/x: Read-only file system", 2),
        (OSError("a library's own words\nin two lines"), "a library's own words in two lines", 2),
        (ConnectionError(), "ConnectionError", 2),
        (MemoryError(), "there is not enough memory", 2),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
)
def test_a_refusal_of_the_system_is_one_line(monkeypatch, capsys, tmp_path, error, message, code):
    def refused(source):
        raise error

    monkeypatch.setattr("nagevo.foundation.writing.adding", refused)
    assert run(monkeypatch, capsys, "init", str(tmp_path)) == (code, "", f"nagevo: {message}\n")


def test_a_name_that_is_too_long_is_one_line(monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, "init", "n" * 300)
    assert (code, err.count("\n"), err.endswith("n: File name too long\n")) == (2, 1, True)


def test_the_home_folder_is_expanded_in_every_path(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    code, *_ = run(monkeypatch, capsys, "init", "~/project")
    assert code == 0
    assert (tmp_path / "project/Snakefile").is_file()
    code, _, err = run(monkeypatch, capsys, "sample", "--config", "{}", "--output=~/project")
    assert (code, err) == (2, f"nagevo: expected a file to write, got the folder {tmp_path / 'project'}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("catalog nowhere --seconds nan", "expected a finite number of seconds, got nan"),
        ("catalog nowhere --seconds inf", "expected a finite number of seconds, got inf"),
        ("catalog nowhere --confidence 2", "expected --confidence between 0 and 1, got 2"),
        ("catalog nowhere --budget nan", "expected budgets in ms or limits by name, got NaN"),
        ("benchmark --config c --output o.csv --confidence 7", "expected --confidence between 0 and 1, got 7"),
        ("show --confidence nan", "expected --confidence between 0 and 1, got nan"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_the_work(monkeypatch, capsys, arguments, message):
    assert run(monkeypatch, capsys, *arguments.split()) == (2, "", f"nagevo: {message}\n")


GIVEN = json.dumps(CONFIG)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "compare --config {config} h/best.csv --output o",
            "history h/best.csv: expected a name like <strategy>/",
        ),
        ("catalog nowhere", "expected a folder of ONNX files, got nowhere"),
        ("catalog empty.csv", "expected a folder of ONNX files, got empty.csv"),
        ("measure --failed --config {config}", "there is no folder results/made-up: the experiment was not run here"),
        ("step propose --config {config} --output o.csv --devices=", "expected --devices as names separated by commas"),
        ("step propose --config {config} --output o.csv --devices nope", 'device "nope" is unknown'),
    ],
)
def test_what_is_not_there_is_named_before_the_work(monkeypatch, capsys, tmp_path, arguments, message):
    (tmp_path / "empty.csv").write_text("architecture,accuracy\n")
    monkeypatch.chdir(tmp_path)
    words = [word.replace("{config}", GIVEN) for word in arguments.split()]
    code, out, err = run(monkeypatch, capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_a_table_without_architectures_is_said_to_have_no_rows(monkeypatch, capsys, tmp_path, caplog):
    (tmp_path / "empty.csv").write_text("architecture,accuracy,latency_ms\n")
    given = config("exact") | {"devices": {"exact": {"backend": "table", "path": str(tmp_path / "empty.csv")}}}
    monkeypatch.chdir(tmp_path)
    words = ("--config", json.dumps(given), "--architectures", "empty.csv", "--output", "o.csv")
    assert run(monkeypatch, capsys, "profile", "--device", "exact", *words)[0] == 0
    assert caplog.messages == ["table empty.csv has no rows"]
