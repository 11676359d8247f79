"""``nagevo compare``: strategies side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nagevo.cli.options import Config, OutputFolder, writable

LISTING = "comparison.json"
"""Manifest of the folder of tables, by which nagevo recognizes the files that it wrote."""


def run(
    config: Config,
    histories: Annotated[
        list[Path],
        typer.Argument(
            help="Tables written by `nagevo search`, named …/<devices>/<strategy>/<evaluations>-<seed>.parquet."
        ),
    ],
    output: OutputFolder,
    page: Annotated[Path | None, typer.Option(help="File for the interactive page.", callback=writable)] = None,
    benchmarks: Annotated[
        Path | None,
        typer.Option(help="Folder of Snakemake's benchmark files of the searches, with the same names as the tables."),
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for the figures, each as SVG and as PNG.")] = None,
) -> None:
    """Compare the frontier that each search found with the true or best-known frontier of each device."""
    from functools import partial

    import pandas as pd

    from nagevo.evaluate import comparison
    from nagevo.experiment.config import load_config
    from nagevo.foundation.errors import check_installed
    from nagevo.foundation.progress import track
    from nagevo.foundation.quantities import QUANTITIES
    from nagevo.foundation.tables import write_table
    from nagevo.foundation.writing import check_folder, replacing_folder
    from nagevo.measure.measurements import Measurements
    from nagevo.report.comparing import compare_content
    from nagevo.report.comparison_figures import COMPARED
    from nagevo.report.figures import FIGURES, write_figures
    from nagevo.report.page import write_page
    from nagevo.report.timing import job_seconds

    check_folder(output, LISTING)
    if figures is not None:
        check_installed("matplotlib")
        check_folder(figures, FIGURES)
    named = {path: _named(path) for path in histories}
    if benchmarks is not None and not benchmarks.is_dir():
        typer.echo(f"there is no folder {benchmarks}: how long searches took stays unknown", err=True)
    experiment = load_config(config)
    space = experiment.create_space()
    searches = {path: Measurements.from_files([path], space) for path in track(histories, "reading histories")}
    references = comparison.references(experiment, space, searches.values())
    spread = None
    if comparison.reads_accuracies(experiment):
        spread = partial(comparison.neighborhood_spread, space, experiment.create_evaluator(space))
    tables: dict[str, list[pd.DataFrame]] = {"metrics": [], "hypervolume": [], "regret": []}
    for path, history in track(searches.items(), "measuring searches", total=len(searches)):
        keys = named[path]
        strategy, evaluations, seed = keys.values()
        seconds = float("nan") if benchmarks is None else job_seconds(benchmarks.joinpath(*path.parts[-3:]))
        metrics = comparison.search_metrics(history, references, spread=spread)
        tables["metrics"].append(metrics.assign(**keys, seconds=seconds))
        cost: float = 0
        if experiment.raw["accuracy"]["fidelities"]:
            cost = experiment.with_search(strategy=strategy, evaluations=evaluations).cheap_cost
        tables["hypervolume"].append(
            comparison.hypervolume_curve(history, references, cheap_cost=cost).assign(
                strategy=strategy, seed=seed, effort=evaluations
            )
        )
        tables["regret"].append(comparison.regret_curve(history, references).assign(**keys))
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    with replacing_folder(output, LISTING) as folder:
        for name, table in joined.items():
            write_table(table, folder / f"{name}.csv")
    known = "true" if comparison.is_enumerable(experiment, space) else "best known"
    units = {QUANTITIES[device.measures].unit for device in experiment.devices.values()}
    shown = compare_content(experiment.name, f"the {known} frontier", units, joined)
    if page is not None:
        write_page("compare", f"nagevo: {experiment.name}, strategies compared", shown, page)
    if figures is not None:
        write_figures(shown, figures, COMPARED)


def _named(path: Path) -> dict[str, Any]:
    """Return strategy, evaluations and seed from the name of a history."""
    import re

    from nagevo.foundation.errors import DataError

    numbers = re.fullmatch(r"(\d+)-(\d+)\..+", path.name)
    if numbers is None or not path.parent.name:
        raise DataError(f"history {path}: expected a name like <strategy>/<evaluations>-<seed>.parquet")
    return {"strategy": path.parent.name, "evaluations": int(numbers[1]), "seed": int(numbers[2])}
