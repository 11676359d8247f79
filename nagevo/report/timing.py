"""How long each stage of a workflow took, from Snakemake's benchmark files."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from nagevo.foundation.tables import read_table

COLUMNS = ("s", "cpu_time", "max_rss")
"""Columns of a benchmark file: wall time and processor time in s, and the largest memory in MB."""
OTHERS = ("compare", "report")
"""Names of folders and files that are not stages on the way to the generator."""


def stages(folder: str | os.PathLike, devices: Collection[str] = ()) -> pd.DataFrame:
    """Return the sums over the jobs of each stage, the longest first.

    Parameters
    ----------
    folder : path
        With benchmark files as Snakemake writes them, at any depth.
    devices : collection of str
        Names that may end the name of a file, and are not part of the name of its stage.

    Returns
    -------
    DataFrame
        ``stage, jobs, wall_s, cpu_s, memory_mb``; the last is the most that one job held.
    """
    folder = Path(folder)
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        relative = path.relative_to(folder)
        if relative.with_suffix("").parts[0] not in OTHERS:
            means = read_table(path, COLUMNS)[list(COLUMNS)].mean()
            rows.append((stage_name(relative, devices), *means))
    jobs = pd.DataFrame(rows, columns=["stage", "wall_s", "cpu_s", "memory_mb"])
    summed = jobs.groupby("stage", as_index=False).agg(
        jobs=("wall_s", "size"), wall_s=("wall_s", "sum"), cpu_s=("cpu_s", "sum"), memory_mb=("memory_mb", "max")
    )
    return summed.sort_values(["wall_s", "stage"], ascending=[False, True], ignore_index=True)


def job_seconds(path: Path) -> float:
    """Return the mean wall time of a job in s from its benchmark file, whatever the suffix; NaN where there is none."""
    path = path.with_suffix(".tsv")
    return float(read_table(path, ("s",))["s"].mean()) if path.exists() else float("nan")


def stage_name(path: Path, devices: Collection[str] = ()) -> str:
    """Return the name of the stage that a benchmark file is of: rounds, shards and splits are put together.

    >>> stage_name(Path("rounds/3/score-validation-1.tsv")), stage_name(Path("evaluation/profile-cpu-0.tsv"), ["cpu"])
    ('score', 'profile cpu (evaluation)')
    """
    batch = path.parts[0] if len(path.parts) > 1 else "rounds"
    rule, _, wildcards = path.stem.partition("-")
    device = wildcards if wildcards in devices else wildcards.rpartition("-")[0]
    ending = "" if batch == "rounds" else f" ({batch})"
    return f"{rule}{f' {device}' if device in devices else ''}{ending}"
