"""``nagevo export``: a network in the forms that it is deployed in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Bundle, Confidence, Device, OutputFolder, Untrained, warn_untrained

MOST_BATCH = 65_536
"""Largest batch of exported files: they are checked on inputs of one, which need memory."""


def run(
    output: OutputFolder,
    budget: Annotated[float | None, typer.Option(help="Largest allowed latency of one inference in ms.")] = None,
    device: Device = None,
    confidence: Confidence = 0.9,
    bundle: Bundle = None,
    network: Annotated[
        Path | None, typer.Option(help="Folder written by `nagevo finetune`, in place of a budget.")
    ] = None,
    architectures: Annotated[
        Path | None,
        typer.Option(
            help="Table of architectures, in place of a budget: export all as ONNX, with an index to fill in "
            "measurements."
        ),
    ] = None,
    untrained: Untrained = False,
    batch: Annotated[str, typer.Option(help="Batch size of the exported files: a whole number, or `any`.")] = "1",
    openvino: Annotated[
        bool, typer.Option("--openvino", help="Also write OpenVINO's format (extra `openvino`).")
    ] = False,
) -> None:
    """Export an answer's network with a model card, checked against torch; or export architectures to be measured."""
    from nagevo import generate
    from nagevo.foundation.errors import BudgetError, check_installed
    from nagevo.foundation.writing import check_folder

    check_installed("onnxscript")
    from nagevo.deploy.deployment import DESCRIPTION, Deployment

    if sum(option is not None for option in (budget, network, architectures)) != 1:
        raise BudgetError("expected one of --budget, --network and --architectures")
    if architectures is not None:
        _export_probes(architectures, output, bundle)
        return
    size = _batch(batch)
    check_folder(output, DESCRIPTION)
    if network is not None:
        deployment = Deployment.load(network)
    else:
        assert budget is not None
        answer = generate(budget, device=device, confidence=confidence, bundle=bundle)
        deployment = answer.deployment(untrained=untrained)
    warn_untrained(deployment.description)
    for name, difference in deployment.export(output, openvino=openvino, batch=size).items():
        typer.echo(f"{output / name}: largest difference of an output from torch's {difference:.2g}")


def _export_probes(architectures: Path, output: Path, bundle: Path | None) -> None:
    from nagevo import load
    from nagevo.deploy.probes import INDEX, LISTING, export_probes
    from nagevo.foundation.errors import DataError
    from nagevo.foundation.writing import check_folder
    from nagevo.measure.tables import read_architectures
    from nagevo.spaces.base import unique

    check_folder(output, LISTING)
    space = load(bundle).space
    asked = read_architectures(architectures, space)
    if not len(asked):
        raise DataError(f"table {architectures}: expected architectures to export, got none")
    choices = unique(space.normal(asked))
    index = export_probes(space, choices, output)
    failed = index[index["status"].notna()]
    if len(choices) < len(asked):
        typer.echo(f"{architectures} names {len(asked) - len(choices)} networks more than once", err=True)
    if len(failed):
        typer.echo(f"{len(failed)} of {len(index)} cannot be exported, the first: {failed['status'].iloc[0]}", err=True)
    typer.echo(
        f"{output}: measure each file and write its ms into {INDEX}, or why it failed into `status`; then "
        f"nagevo adapt --device NAME --measurements {output / INDEX}",
        err=True,
    )


def _batch(text: str) -> int | None:
    """Return the batch that a text says, None for any."""
    from nagevo.foundation.errors import ConfigError

    if text == "any":
        return None
    if not text.isdecimal() or len(text) > len(str(MOST_BATCH)) or not 1 <= int(text) <= MOST_BATCH:
        raise ConfigError(f"expected --batch as a whole number from 1 to {MOST_BATCH}, or any, got {text[:80]}")
    return int(text)
