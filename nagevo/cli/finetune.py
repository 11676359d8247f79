"""``nagevo finetune``: an answer's network, trained on."""

from __future__ import annotations

from typing import Annotated

import typer

from nagevo.cli.options import Budget, Bundle, Confidence, Device, OutputFolder


def run(
    budget: Budget,
    output: OutputFolder,
    device: Device = None,
    confidence: Confidence = 0.9,
    bundle: Bundle = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 10,
    learning_rate: Annotated[float, typer.Option(min=0, help="The first of a cosine schedule.")] = 0.02,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
) -> None:
    """Train the network of an answer on from the supernet's weights; resumes where an earlier run stopped."""
    from nagevo import generate

    answer = generate(budget, device=device, confidence=confidence, bundle=bundle)
    tuned = answer.finetune(output, epochs=epochs, learning_rate=learning_rate, threads=threads)
    accuracy = tuned.description["accuracy"]
    typer.echo(
        f"{output}: test accuracy {accuracy['test']:.2f} %, {accuracy['test_before']:.2f} % before; "
        f"best of {epochs} epochs on the validation images: {tuned.description['finetuning']['best_epoch']}"
    )
