"""Runs that are killed and resumed, and a second run in the same folder."""

import time

import kills
from conftest import snakemake


def test_a_run_killed_by_each_signal_resumes_to_the_same_and_redoes_nothing(tmp_path):
    expected, took_s = kills.uninterrupted(tmp_path / "uninterrupted")
    outcome = kills.kill_and_resume(tmp_path / "run", [(number, 0.3 * took_s) for number in kills.SIGNALS], expected)
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
