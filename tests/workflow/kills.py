"""Kill a small experiment at random moments, resume it each time, and compare what it ends with.

    python tests/workflow/kills.py --kills 50

It trains a supernet, so that there is something to lose, and computes latencies, so that two runs can be compared.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from conftest import ROOT, contents, snakemake_call, write_config

from nagevo.measure.latency.base import Device

EXPERIMENT = {
    "experiment": "killed",
    "space": {
        "name": "mobilenetv3",
        "resolution": 16,
        "channels": 1,
        "classes": 10,
        "width_multiplier": 1.0,
        "divisor": 1,
        "stem_width": 2,
        "first_width": 2,
        "stage_widths": [2, 2, 2, 2, 2],
        "head_width": 4,
        "feature_width": 4,
    },
    "accuracy": {
        "evaluator": "supernet",
        "dataset": {"name": "mnist5k", "train": 256, "validation": 100, "test": 10},
        "training": {"epochs": 4, "warmup_epochs": 1},
        "calibration_examples": 64,
    },
    "devices": {"sum": {"backend": "kills:SumDevice"}},
    "evaluation": {"confidence": 0.5},
    "search": {"evaluations": 8, "rounds": 1, "shards": 1, "population": 40, "generations": 10},
    "evolve": {"population": 40, "generations": 10},
    "generator": {"steps": 100, "synthetic_devices": 0},
}
TARGET = "results/killed/generator/model.safetensors"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class SumDevice(Device):
    """A device on which every option costs a millisecond more than the one before."""

    exact = True

    def measure(self, space, choices):
        return pd.DataFrame({"latency_ms": 1.0 + choices.astype(float).sum(axis=1), "status": "ok"})


@dataclass(frozen=True)
class Kill:
    """What came of a run that was killed, perhaps several times, and resumed each time."""

    kills: list[tuple[signal.Signals, float]]
    finished: int
    redone: list[str]
    different: list[str]
    returncode: int

    def __str__(self) -> str:
        outcome = "completed" if self.returncode == 0 else f"FAILED with {self.returncode}"
        kills = " and ".join(f"{number.name} after {after_s:.1f} s" for number, after_s in self.kills)
        return (
            f"{kills}: {self.finished} files finished, {outcome},"
            f" redone {self.redone or 'none'}, different {self.different or 'none'}"
        )


def start(folder: Path) -> subprocess.Popen:
    """Start the experiment in a folder, in a process group of its own."""
    profile = ("--workflow-profile", str(ROOT / "workflow/profiles/default"))
    call = snakemake_call(folder, *profile, "--cores", "2", TARGET)
    with (folder / "log").open("a") as log:
        return subprocess.Popen(**call, stdout=log, stderr=log, start_new_session=True)


def prepare(folder: Path) -> Path:
    """Make a folder with the experiment's config."""
    folder.mkdir(parents=True)
    write_config(folder, EXPERIMENT)
    return folder


def kill(run: subprocess.Popen, number: signal.Signals) -> None:
    """End a run and wait for it: SIGTERM goes to Snakemake alone, the others to all its jobs too.

    So do Ctrl+C in a terminal, and an operating system without memory or power.
    """
    if number == signal.SIGTERM:
        run.terminate()
    else:
        os.killpg(run.pid, number)
    run.wait()


def finished_files(folder: Path) -> dict[str, int]:
    """Return when each output of a finished job was written, in ns; Snakemake marks those that are not finished."""
    markers = folder / ".snakemake/incomplete"
    names = [str(path.relative_to(markers)) for path in markers.rglob("*") if path.is_file()]
    open_jobs = [urlsafe_b64decode(name.replace("/", "").replace("@", "")).decode() for name in names]
    return {
        name: (folder / name).stat().st_mtime_ns
        for name in outputs(folder)
        if not any(name == job or name.startswith(f"{job}/") for job in open_jobs)
    }


def outputs(folder: Path) -> dict[str, bytes]:
    """Return the content of every output of the experiment; logs and times are none."""
    others = ("results/killed/logs/", "results/killed/benchmarks/")
    return {name: data for name, data in contents(folder, "results/**/*").items() if not name.startswith(others)}


def kill_and_resume(folder: Path, kills: list[tuple[signal.Signals, float]], expected: dict[str, bytes]) -> Kill:
    """Run the experiment in a new folder, kill it after so many seconds and resume it each time, and compare."""
    prepare(folder)
    finished: dict[str, int] = {}
    redone: list[str] = []
    for number, after_s in kills:
        run = start(folder)
        time.sleep(after_s)
        kill(run, number)
        now = finished_files(folder)
        redone += [name for name, when in finished.items() if now.get(name) != when]
        finished = now
        if number == signal.SIGKILL:  # the lock stays
            subprocess.run(**snakemake_call(folder, "--unlock"), capture_output=True, check=True)
    returncode = start(folder).wait()
    redone += [name for name, when in finished.items() if (folder / name).stat().st_mtime_ns != when]
    ended = outputs(folder)
    different = sorted(name for name in ended.keys() | expected.keys() if ended.get(name) != expected.get(name))
    return Kill(kills, len(finished), redone, different, returncode)


def uninterrupted(folder: Path) -> tuple[dict[str, bytes], float]:
    """Run the experiment to its end; return its outputs and the seconds that it took."""
    began = time.monotonic()
    if start(prepare(folder)).wait():
        raise SystemExit((folder / "log").read_text())
    return outputs(folder), time.monotonic() - began


def main() -> None:
    """Kill as often as asked, print what came of each, and exit with 1 where one was not as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as parent:
        expected, took_s = uninterrupted(Path(parent) / "uninterrupted")
        print(f"uninterrupted: {took_s:.1f} s, {len(expected)} files", flush=True)
        kills = []
        for number in range(options.kills):
            folder = Path(parent) / str(number)
            kills.append(kill_and_resume(folder, [(rng.choice(SIGNALS), rng.uniform(0, took_s))], expected))
            print(f"{number + 1}: {kills[-1]}", flush=True)
            shutil.rmtree(folder)
    completed = sum(kill.returncode == 0 for kill in kills)
    identical = sum(not kill.different for kill in kills)
    kept = sum(not kill.redone for kill in kills)
    print(f"{len(kills)} kills: {completed} completed, {identical} identical, {kept} redid nothing finished")
    sys.exit(min(completed, identical, kept) < len(kills))


if __name__ == "__main__":
    main()
