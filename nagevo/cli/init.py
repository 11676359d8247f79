"""``nagevo init``: a folder in which the workflow runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(folder: Annotated[Path, typer.Argument(help="Folder to copy into.")] = Path()) -> None:
    """Copy the workflow, the default config and the ready experiments into a folder, without overwriting any file."""
    import shutil
    from os.path import lexists

    from nagevo.foundation.errors import ConfigError
    from nagevo.foundation.files import project_root
    from nagevo.foundation.writing import adding

    names = ("Snakefile", "config.yaml", "workflow", "resources")
    there = [name for name in names if lexists(folder / name)]
    if there:
        raise ConfigError(f"{folder} has {', '.join(there)} already; choose another folder")
    with adding(folder) as new:
        for name in names:
            source = project_root() / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, new / name)
    print(f"{folder}: edit config.yaml, then run `snakemake --cores 8 all` there")
