"""``nagevo finetune``: an answer's network, trained on or from scratch."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from nagevo.cli.options import Budget, Bundle, Confidence, Device, OutputFolder


def run(
    budget: Budget,
    output: OutputFolder,
    device: Device = None,
    confidence: Confidence = 0.9,
    bundle: Bundle = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Train from random weights instead of those of the experiment.")
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option(help="Dataset to train on, by its name or as JSON with its options; the experiment's by default."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Passes over the training examples; by default 10, or with --from-scratch as many as in the "
            "experiment.",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Peak learning rate; by default 0.02, or with --from-scratch that of the experiment."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Number of threads of torch.")] = 2,
) -> None:
    """Fine-tune the network of an answer, or train it from scratch; an interrupted run is resumed."""
    from nagevo import generate
    from nagevo.deploy.deployment import DESCRIPTION
    from nagevo.foundation.errors import ConfigError
    from nagevo.foundation.writing import check_folder

    if learning_rate is not None and not 0 < learning_rate < math.inf:
        raise ConfigError(f"expected a learning rate above 0, got {learning_rate}")
    check_folder(output, DESCRIPTION)
    answer = generate(budget, device=device, confidence=confidence, bundle=bundle)
    tuned = answer.finetune(
        output,
        from_scratch=from_scratch,
        dataset=None if dataset is None else _dataset(dataset),
        epochs=epochs,
        learning_rate=learning_rate,
        threads=threads,
    )
    accuracy, training = tuned.description["accuracy"], tuned.description["training" if from_scratch else "finetuning"]
    error = tuned.description["standard_errors"]["test"]
    before = f", {accuracy['test_before']:.2f} % before" if "test_before" in accuracy else ""
    typer.echo(
        f"{output}: test accuracy {accuracy['test']:.2f} % (standard error {error:.2f}){before}; best of "
        f"{training['epochs']} epochs on the validation examples: {training['best_epoch']}"
    )


def _dataset(text: str) -> dict[str, Any]:
    """Return name and options of a dataset from its name, or from JSON."""
    from nagevo.foundation.errors import ConfigError
    from nagevo.foundation.files import load_yaml

    if not text.lstrip().startswith("{"):
        return {"name": text}
    try:
        options = load_yaml(text)
    except ValueError:
        options = None
    if not isinstance(options, dict) or not isinstance(options.get("name"), str):
        raise ConfigError(f"expected --dataset as a name or as JSON with the key name, got {text}")
    return options
