"""A small experiment on made-up tables that runs through the whole workflow in about a minute."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nagevo.foundation.tables import write_table
from nagevo.spaces import create_space

ROOT = Path(__file__).resolve().parents[2]


def snakemake_call(folder: Path, *arguments: str, **environment: str) -> dict:
    """Return what to give to :mod:`subprocess` to run Snakemake in a folder on the config there.

    The commands of the rules are those of this interpreter's environment, and find the classes of these tests.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), *arguments]
    paths = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
    }
    return {"args": command, "env": os.environ | paths | environment}


def snakemake(folder: Path, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
    """Run Snakemake in a folder on the config there; a failure fails the test, unless it is to be checked."""
    call = snakemake_call(folder, *arguments, **environment)
    result = subprocess.run(**call, capture_output=True, text=True, check=False)
    if check and result.returncode:
        pytest.fail(f"{' '.join(call['args'])} exited with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result


def contents(folder: Path, *patterns: str) -> dict[str, bytes]:
    """Return the bytes of the files below a folder that match the patterns, by path; hidden ones do not count."""
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    relative = [path.relative_to(folder) for path in paths]
    return {
        str(name): path.read_bytes()
        for name, path in zip(relative, paths, strict=True)
        if not any(part.startswith(".") for part in name.parts)
    }


def table_experiment(folder: Path) -> dict:
    """Write tables of a space of 15,625 cells into a folder and return a config that reads them.

    Accuracy grows with the dear operations and latency adds up over the edges, each with a little noise; one in five
    latencies of the device ``board`` is missing, as if it had failed. The table knows an energy too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    space = create_space("nasbench201")
    choices, rng = space.enumerate(), np.random.default_rng(0)
    cost = np.array([0.0, 0.1, 0.3, 1.0, 2.0])[choices]
    latency = {name: 1.0 + cost @ rng.uniform(0.5, 1.5, 6) for name in ("phone", "board")}
    accuracy = 90.0 - 60.0 * np.exp(-0.4 * cost @ rng.uniform(0.5, 1.5, 6)) + rng.normal(0, 0.3, len(choices))
    table = pd.DataFrame({"architecture": space.to_text(choices), "accuracy": accuracy})
    table["phone"] = latency["phone"]
    table["energy"] = 2.0 + 5.0 * cost @ rng.uniform(0.0, 2.0, 6)
    table["board"] = np.where(rng.random(len(choices)) < 0.2, np.nan, latency["board"])
    write_table(table, folder / "table.parquet")
    return {
        "experiment": "tiny",
        "seed": 1,
        "space": {"name": "nasbench201"},
        "accuracy": {"evaluator": "table", "path": "table.parquet", "column": "accuracy"},
        "devices": {
            "phone": {"backend": "table", "path": "table.parquet", "column": "phone"},
            "board": {"backend": "table", "path": "table.parquet", "column": "board"},
        },
        "search": {"evaluations": 30, "rounds": 2},
        "evolve": {"population": 40, "generations": 10},
        "generator": {"steps": 200, "synthetic_devices": 1},
        "evaluation": {"budgets": 10},
    }


def write_config(folder: Path, config: dict) -> None:
    """Write the config of a workflow's folder."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> tuple[Path, dict]:
    """Return the folder and the config of an experiment that has run to its end, once for all workers of the tests."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, ended = shared / "tiny", shared / "tiny.yaml"
    with (shared / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ended.exists():
            config = table_experiment(folder)
            config["devices"]["meter"] = config["devices"]["phone"] | {"column": "energy", "measures": "energy_mj"}
            write_config(folder, config)
            snakemake(folder, "--cores", "8", "all")
            shutil.copy(folder / "config.yaml", ended)
    return folder, yaml.safe_load(ended.read_text())
