"""Optional packages: where one is missing, one line says what to install."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nagevo.foundation.errors import MissingDependency, optional_packages
from nagevo.foundation.registry import create

ROOT = Path(__file__).parents[3]


@pytest.fixture
def torchless(monkeypatch):
    """Let the import of torch fail as where it is not installed."""
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.mark.usefixtures("torchless")
def test_a_component_without_its_package_names_the_extra():
    class Device:
        def __init__(self):
            import torch  # noqa: F401

    with pytest.raises(MissingDependency, match=re.escape("backend Device needs torch: pip install 'nagevo[train]'")):
        create("backend Device", Device)


def test_other_packages_that_are_missing_stay_what_they_are():
    with pytest.raises(ModuleNotFoundError, match="made_up_package"), optional_packages("strategy"):
        import made_up_package  # noqa: F401


WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from nagevo.cli import main; main()"


def test_a_command_without_torch_ends_with_one_line(tmp_path):
    arguments = ["train", "--config", ROOT / "config.yaml", "--output", tmp_path / "weights"]
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == "nagevo: torch is not installed: pip install 'nagevo[train]'\n"
