"""``nagevo report``: the page and the figures of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nagevo.cli.options import BundleFolder, Config, Measurements, Output
from nagevo.cli.results import EVALUATION, VALIDATION


def run(
    config: Config,
    bundle: BundleFolder,
    measurements: Measurements,
    evaluation: Annotated[Path, typer.Option(help="File written by `nagevo step evaluate`.")],
    frontiers: Annotated[Path, typer.Option(help="Folder of the tables written by `nagevo step evolve`.")],
    benchmarks: Annotated[Path, typer.Option(help="Folder of Snakemake's benchmark files.")],
    output: Output,
    networks: Annotated[
        Path, typer.Option(help="Folder written by `nagevo step networks` and `deploy`, if there is one.")
    ],
    figures: Annotated[Path, typer.Option(help="Folder for the figures, each as SVG and as PNG.")],
) -> None:
    """Write the interactive page of an experiment, and its figures for papers."""
    import pandas as pd

    from nagevo import load
    from nagevo.deploy.config import INDEX
    from nagevo.evaluate.verdict import verdicts
    from nagevo.experiment.config import load_config
    from nagevo.foundation.files import content_of, read_json
    from nagevo.foundation.tables import read_table
    from nagevo.foundation.writing import check_folder
    from nagevo.measure.accuracy.validation import Agreement
    from nagevo.measure.measurements import Measurements
    from nagevo.report.content import content
    from nagevo.report.delivered import delivered
    from nagevo.report.figures import FIGURES, REPORTED, write_figures
    from nagevo.report.page import write_page
    from nagevo.report.timing import stages

    validation = output.with_name(VALIDATION)
    check_folder(figures, FIGURES)
    experiment, generator = load_config(config), load(bundle)
    devices = list(experiment.devices)
    searched = Measurements.from_files([measurements], generator.space).for_devices(devices)
    evaluated: Any = read_json(evaluation)
    with content_of(evaluation, EVALUATION):
        float(evaluated["confidence"])
        for device in devices:
            entry = evaluated["devices"][device]
            pd.DataFrame(entry["answers"]), {name: dict(metrics) for name, metrics in entry["metrics"].items()}
    shown = content(
        experiment,
        generator,
        searched,
        {device: read_table(frontiers / f"{device}.parquet") for device in devices},
        {device: read_table(frontiers / f"{device}.log.csv") for device in devices},
        evaluated,
        stages(benchmarks, devices),
        networks=delivered(generator, networks, devices),
        supernet=str(Agreement.of(read_table(validation))) if validation.is_file() else None,
        delivered=read_json(networks / INDEX) if (networks / INDEX).is_file() else None,
    )
    write_figures(shown, figures, REPORTED)
    for sentence in verdicts(evaluated):
        typer.echo(sentence, err=True)
    write_page("report", f"nagevo: {experiment.name}", shown, output)
