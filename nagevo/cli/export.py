"""``nagevo export``: a network in the forms that it is deployed in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nagevo.cli.options import Bundle, Confidence, Device, OutputFolder, Untrained, warn_untrained


def run(
    output: OutputFolder,
    budget: Annotated[float | None, typer.Option(help="The most that one inference may take, in ms.")] = None,
    device: Device = None,
    confidence: Confidence = 0.9,
    bundle: Bundle = None,
    network: Annotated[Path | None, typer.Option(help="What `nagevo finetune` wrote, in place of a budget.")] = None,
    untrained: Untrained = False,
    openvino: Annotated[
        bool, typer.Option("--openvino", help="Also write OpenVINO's format (extra `openvino`).")
    ] = False,
) -> None:
    """Write a network as ONNX and safetensors with a model card, checked against torch."""
    from nagevo import generate
    from nagevo.deploy.deployment import DESCRIPTION, Deployment
    from nagevo.foundation.errors import BudgetError
    from nagevo.foundation.writing import check_folder

    check_folder(output, DESCRIPTION)
    if network is not None and budget is None:
        deployment = Deployment.load(network)
    elif budget is not None and network is None:
        answer = generate(budget, device=device, confidence=confidence, bundle=bundle)
        deployment = answer.deployment(untrained=untrained)
    else:
        raise BudgetError("expected either --budget or --network")
    warn_untrained(deployment.description)
    for name, difference in deployment.export(output, openvino=openvino).items():
        typer.echo(f"{output / name}: largest difference of an output from torch's {difference:.2g}")
