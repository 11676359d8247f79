"""Runs that are killed and resumed, and a second run in the same folder."""

import time

import kills
import pytest
from conftest import snakemake


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return kills.uninterrupted(tmp_path_factory.mktemp("uninterrupted") / "run")


@pytest.mark.parametrize(("number", "share"), [*zip(kills.SIGNALS, (0.3, 0.5, 0.7), strict=True)], ids=str)
def test_a_killed_run_resumes_to_the_same_result_and_redoes_nothing(uninterrupted, tmp_path, number, share):
    expected, took_s = uninterrupted
    outcome = kills.kill_and_resume(tmp_path / "run", number, share * took_s, expected)
    assert outcome.finished, outcome
    assert (outcome.returncode, outcome.redone, outcome.different) == (0, [], []), outcome


def test_a_second_run_in_a_folder_is_refused_until_it_is_unlocked(tmp_path):
    folder = kills.prepare(tmp_path / "run")
    run = kills.start(folder)
    while not list(folder.glob(".snakemake/locks/*")):
        assert run.poll() is None, (folder / "log").read_text()
        time.sleep(0.1)
    second = snakemake(folder, "--cores", "1", kills.TARGET, check=False)
    kills.kill(run, kills.signal.SIGKILL)
    after = snakemake(folder, "--cores", "1", kills.TARGET, check=False)
    for refused in (second, after):
        assert refused.returncode == 1
        assert "Directory cannot be locked" in refused.stderr
        assert "--unlock" in refused.stderr
    snakemake(folder, "--unlock")
    assert snakemake(folder, "--cores", "1", "--dry-run", kills.TARGET).returncode == 0
