"""A small experiment on made-up measurements that becomes a bundle in a second."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nagevo.cli import main
from nagevo.experiment.config import parse_config
from nagevo.experiment.learning import learn
from nagevo.foundation.writing import checksum
from nagevo.generator.bundle import MANIFEST
from nagevo.generator.generator import Generator
from nagevo.measure.measurements import Measurements
from nagevo.spaces import create_space

SPACE = create_space("nasbench201")
CONFIG = {
    "experiment": "made-up",
    "space": {"name": "nasbench201"},
    "accuracy": {"evaluator": "table", "path": "t.parquet", "column": "accuracy"},
    "devices": {
        "exact": {"backend": "table", "path": "t.parquet"},
        "noisy": {"backend": "torch"},
        "meter": {"backend": "table", "path": "t.parquet", "column": "energy_mj", "measures": "energy_mj"},
    },
    "evolve": {"population": 12, "generations": 3},
    "verify": {"rounds": 0},
    "generator": {"steps": 30, "hidden": 4, "candidates": 2, "probes": 3, "synthetic_devices": 2},
}


def config(*devices: str) -> dict[str, Any]:
    """Return the config with just these devices, as a copy."""
    return deepcopy(CONFIG | {"devices": {name: CONFIG["devices"][name] for name in devices}})


def measured(n: int, *devices: str) -> Measurements:
    """Return measurements of n cells: dear operations are accurate and slow; on the device ``noisy`` with 2 % noise.

    The device ``meter`` measures an energy, which the first three operations of a cell take most of.
    """
    rng = np.random.default_rng(0)
    choices = SPACE.sample_distinct(n, rng=rng)
    cost = np.array([0.0, 0.1, 0.3, 1.0, 2.0])[choices].sum(axis=1)
    latency_ms = {"exact": 1.0 + cost, "noisy": (0.5 + 0.2 * cost) * np.exp(rng.normal(0, 0.02, n))}
    latency_ms["meter"] = 2.0 + cost + 4.0 * np.array([0.0, 0.1, 0.3, 1.0, 2.0])[choices[:, :3]].sum(axis=1)
    accuracy = 90.0 - 60.0 * np.exp(-0.4 * cost)
    values = {name: latency_ms[name] for name in devices}
    return Measurements(choices, np.arange(n) * 3 // n, accuracy, values, {"meter": "energy_mj"})


def learned(measurements: Measurements, folder: Path) -> Generator:
    """Return the generator that learns from measurements."""
    return learn(parse_config(config(*measurements.devices)), measurements, folder)


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of the command."""
    monkeypatch.setattr("sys.argv", ["nagevo", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def seal(folder: Path) -> None:
    """Write the checksums of all files into the manifest of a bundle, as whoever forges one would."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"] = {name: checksum(folder / name) for name in manifest["files"]}
    (folder / MANIFEST).write_text(json.dumps(manifest))
