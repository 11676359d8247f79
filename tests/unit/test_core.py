"""The core install: what answers from a bundle and adapts a device works without any optional package."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest
from made_up import learned, measured

CORE = (
    "import sys; from nagevo.foundation.errors import EXTRAS; sys.modules.update(dict.fromkeys(EXTRAS));"
    "from nagevo.cli import main; main()"
)
"""Runs a command as where none of the optional packages is installed."""


def core(*arguments: object) -> str:
    """Return what a command prints without optional packages."""
    command = [sys.executable, "-c", CORE, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("core") / "generator"
    learned(measured(60, "exact", "noisy"), folder)
    return folder


def test_a_bundle_is_asked_and_shown_without_optional_packages(bundle):
    answer = json.loads(core("generate", "--bundle", bundle, "--device", "noisy", "--budget", 3, "--json"))
    assert answer["latency_bound_ms"] <= 3
    assert "noisy" in core("show", bundle)


def test_a_device_is_adapted_without_optional_packages(bundle, tmp_path):
    probes, measurements = tmp_path / "probes.csv", tmp_path / "measured.csv"
    core("adapt", "--bundle", bundle, "--device", "phone", "--probes", 8, "--architectures", probes)
    table = pd.read_csv(probes)
    table.assign(latency_ms=range(2, 2 + len(table))).to_csv(measurements, index=False)
    core("adapt", "--bundle", bundle, "--device", "phone", "--measurements", measurements)
    assert (
        json.loads(core("generate", "--bundle", bundle, "--device", "phone", "--budget", 9, "--json"))["device"]
        == "phone"
    )
