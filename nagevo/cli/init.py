"""``nagevo init``: a folder in which the workflow runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(folder: Annotated[Path, typer.Argument(help="Where to put it.")] = Path()) -> None:
    """Copy the workflow, the default config and the ready experiments into a folder, overwriting nothing."""
    import shutil

    from nagevo.foundation.errors import ConfigError
    from nagevo.foundation.paths import project_root

    names = ("Snakefile", "config.yaml", "workflow", "resources")
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise ConfigError(f"{folder} has {', '.join(there)} already; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        source = project_root() / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    print(f"{folder}: edit config.yaml, then run `snakemake --cores 8 all` there")
