"""Where the workflow's own files lie: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path


def project_root() -> Path:
    """Return the folder that holds ``Snakefile``, ``config.yaml``, ``workflow/`` and ``resources/``."""
    package = Path(__file__).parents[1]
    installed = package / "_project"
    return installed if installed.is_dir() else package.parent
