"""Numbers on the command line that cannot be, and sections that are missing: one line each, before any work."""

import json

import pytest
from made_up import run

SECTIONS = {
    "space": {"name": "nasbench201"},
    "accuracy": {"evaluator": "supernet", "dataset": {"name": "mnist5k"}},
    "devices": {"phone": {"backend": "table", "path": "t.csv"}},
    "search": {"evaluations": 4, "rounds": 2},
}
CONFIG = json.dumps(SECTIONS)
PROFILE = ("profile", "--config", CONFIG, "--device", "phone")
ARCHITECTURES = ("--architectures", "a.csv", "--output", "o.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("score", "--config", CONFIG, *ARCHITECTURES, "--shards", "0"), "--shards"),
        (
            ("profile", "--config", CONFIG, "--device", "phone", *ARCHITECTURES, "--shard", "-1"),
            "--shard",
        ),
        (
            ("profile", "--config", CONFIG, "--device", "phone", *ARCHITECTURES, "--shard", "1"),
            "--shard from 0 to 0, got 1",
        ),
        (("score", "--config", CONFIG, *ARCHITECTURES), "has to be trained first"),
        (("search", "--config", CONFIG, "--output", "o.csv"), "has to be trained first"),
        (("search", "--config", CONFIG, "--output", "o.csv", "--evaluations", "-5"), "--evaluations"),
        (("sample", "--config", CONFIG, "--output", "o.csv", "--number", "-3"), "--number"),
        (
            ("sample", "--config", CONFIG, "--output", "o.csv", "--number", "20000"),
            "expected at most 15625 architectures",
        ),
        (
            ("step", "propose", "--config", CONFIG, "--devices", "phone", "--round", "2", "--output", "o.csv"),
            "--round from 0 to 1, got 2",
        ),
        (("sample", "--config", "{}", "--output", "o.csv"), "the section space is missing"),
        (
            ("export", "--budget", "5", "--output", "o.csv", "--batch", "9" * 20),
            f"expected --batch as a whole number from 1 to 65536, or any, got {'9' * 20}",
        ),
        (("train", "--config", "{}", "--output", "o"), "the section space is missing"),
        (("score", "--config", '{"space": {"name": "dag"}}', *ARCHITECTURES), "the section accuracy is missing"),
        (("profile", "--config", "{}", "--device", "phone", *ARCHITECTURES), "the section devices is missing"),
        (
            ("step", "merge", "--config", "{}", "--output", "o.csv", "--conditions", "c.json", "a.csv"),
            "the section space is missing",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "a.csv").write_text("architecture\n")
    code, _, errors = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert message in errors
    assert not (tmp_path / "o.csv").exists()
