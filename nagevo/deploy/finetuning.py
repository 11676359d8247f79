"""Training a network: on from the weights that it has in the experiment, or from scratch."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nagevo.deploy.deployment import DESCRIPTION, Deployment
from nagevo.foundation.writing import check_folder
from nagevo.training.accelerator import torch_threads
from nagevo.training.loop import accuracy, cross_entropy_step, fit, recalibrate, standard_error
from nagevo.training.origin import origin
from nagevo.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from nagevo.training.examples import Examples


class Trainer(Protocol):
    """The part of an evaluator that training a network takes."""

    seed: int
    recipe: Recipe

    def examples(self, split: str, shape: tuple[int, ...]) -> Examples:
        """Return the examples of ``train``, ``validation`` or ``test`` in a shape."""

    def training_examples(self, shape: tuple[int, ...]) -> Examples:
        """Return the examples that networks of a shape are trained on, changed at random before they are scaled."""

    def calibration(self, shape: tuple[int, ...]) -> Examples:
        """Return the examples on which batch normalization is calibrated, in a shape."""

    def quantized(self, network: nn.Module, shape: tuple[int, ...]) -> bytes:
        """Return the ONNX model of a trained network in int8, its ranges those on training examples of the shape."""

    def preprocessing(self) -> dict[str, Any]:
        """Return how examples become the inputs and outputs of a network."""


def finetune(
    begun: Deployment,
    trainer: Trainer,
    folder: str | os.PathLike,
    *,
    epochs: int = 10,
    learning_rate: float = 0.02,
    threads: int = 2,
) -> Deployment:
    """Train a network on from its weights on the training examples, and write it.

    The network keeps the weights with the best validation accuracy, those it began with included. Training that was
    interrupted resumes, with the same arguments, where it was.

    Parameters
    ----------
    begun : Deployment
        The network with the weights to begin with.
    trainer : Trainer
        The experiment's evaluator, with its dataset.
    folder : path
        Where weights and description are written, whole or not at all.
    learning_rate : float
        The first of a cosine schedule; everything else is as the experiment's networks are trained.
    threads : int
        Threads of torch.

    Returns
    -------
    Deployment
        Whose ``description`` has the accuracies in percent, ``test`` and ``validation``, and what they were before, and
        their ``standard_errors``.

    Raises
    ------
    DataError
        If the dataset cannot be read.
    """
    recipe = replace(trainer.recipe, epochs=epochs, learning_rate=learning_rate, warmup_epochs=0.0)
    check_folder(folder, DESCRIPTION)
    before = accuracy(begun.runnable, trainer.examples("test", begun.input_shape))
    with torch_threads(threads):
        scores, test, training = _trained(begun, trainer, recipe, folder)
    accuracies = {"test": test, "test_before": before}
    accuracies |= {"validation": max(scores), "validation_before": scores[0]}
    return _written(begun, trainer, folder, accuracies, finetuning=training)


def train_from_scratch(
    begun: Deployment,
    trainer: Trainer,
    folder: str | os.PathLike,
    *,
    epochs: int | None = None,
    learning_rate: float | None = None,
    threads: int = 2,
) -> Deployment:
    """Train a network from its random weights on the training examples, and write it, else as :func:`finetune` does.

    Parameters
    ----------
    epochs : int, optional
        The recipe's by default; a warm-up takes at most a tenth of them.
    learning_rate : float, optional
        The recipe's by default.

    Returns
    -------
    Deployment
        Whose ``description`` has the accuracies in percent, ``test`` and ``validation``, and their ``standard_errors``.
    """
    given = trainer.recipe
    epochs = given.epochs if epochs is None else epochs
    warmup_epochs = min(given.warmup_epochs, epochs / 10)
    learning_rate = given.learning_rate if learning_rate is None else learning_rate
    recipe = replace(given, epochs=epochs, warmup_epochs=warmup_epochs, learning_rate=learning_rate)
    check_folder(folder, DESCRIPTION)
    with torch_threads(threads):
        scores, test, training = _trained(begun, trainer, recipe, folder)
    accuracies = {"test": test, "validation": max(scores)}
    return _written(begun, trainer, folder, accuracies, trained=True, training=training, **trainer.preprocessing())


def _trained(
    begun: Deployment, trainer: Trainer, recipe: Recipe, folder: str | os.PathLike
) -> tuple[list[float], float, dict[str, Any]]:
    """Train a network in place; return its validation accuracies by epoch, its test accuracy and how it was trained."""
    folder = Path(os.path.realpath(folder))
    network, shape = begun.network, begun.input_shape
    validation = trainer.examples("validation", shape)

    def score() -> float:
        return accuracy(recalibrate(network, trainer.calibration(shape)), validation)

    scores = fit(
        network,
        cross_entropy_step(network, recipe),
        trainer.training_examples(shape),
        recipe,
        seed=trainer.seed,
        description="Training",
        checkpoint=folder.with_name(f".{folder.name}.checkpoint"),
        about=origin_of(begun, trainer),
        score=score,
    )
    test = accuracy(network.eval(), trainer.examples("test", shape))
    network.cpu()
    training = {**asdict(recipe), "best_epoch": scores.index(max(scores)), "validation_of_epochs": scores[1:]}
    return scores, test, training


def origin_of(begun: Deployment, trainer: Trainer) -> dict[str, str]:
    """Return all that training a network depends on beside recipe and seed: the network, and hashes of examples."""
    shape = begun.input_shape
    examples = {
        "content": trainer.training_examples(shape),
        "calibration": trainer.calibration(shape),
        "validation": trainer.examples("validation", shape),
    }
    hashes = {name: part.digest for name, part in examples.items()}
    return {"architecture": begun.description["architecture"], **origin(begun.network), **hashes}


def _written(
    begun: Deployment, trainer: Trainer, folder: str | os.PathLike, accuracies: dict[str, float], **known: Any
) -> Deployment:
    """Write the network with what is known of it now; in int8 it is quantized, and read as the file runs."""
    if begun.description.get("precision") == "int8":
        begun = replace(begun, quantized=trainer.quantized(begun.network, begun.input_shape))
        of_float = accuracies
        accuracies = {name: value for name, value in of_float.items() if name == "test_before"}
        for split in ("test", "validation"):
            accuracies[split] = accuracy(begun.runnable, trainer.examples(split, begun.input_shape))
            accuracies[f"{split}_float32"] = of_float[split]
    numbers = {split: trainer.examples(split, begun.input_shape).labels.numel() for split in ("test", "validation")}
    errors = {name: standard_error(value, numbers[name.split("_")[0]]) for name, value in accuracies.items()}
    description = {**begun.description, "accuracy": accuracies, "standard_errors": errors, **known}
    trained = replace(begun, description=description)
    trained.save(folder)
    return trained
