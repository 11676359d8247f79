"""Training an answer's network on, from the weights that it has in the supernet."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nagevo.deploy.deployment import DESCRIPTION, Deployment
from nagevo.foundation.errors import ConfigError
from nagevo.foundation.writing import check_folder
from nagevo.generator.storage import WEIGHTS
from nagevo.training.loop import accuracy, cross_entropy_step, fit, recalibrate

if TYPE_CHECKING:
    from nagevo.generator.answers import Answer


def finetune(
    answer: Answer,
    folder: str | os.PathLike,
    *,
    epochs: int = 10,
    learning_rate: float = 0.02,
    threads: int = 2,
) -> Deployment:
    """Train the network of an answer on the experiment's training images, and write it.

    The network keeps the weights with the best validation accuracy, those it began with included. Training that was
    interrupted resumes, with the same arguments, where it was.

    Parameters
    ----------
    answer : Answer
    folder : path
        Where weights and description are written, whole or not at all.
    epochs : int
    learning_rate : float
        The first of a cosine schedule; everything else is as the experiment's networks are trained.
    threads : int
        Of torch.

    Returns
    -------
    Deployment
        Whose ``description`` has the accuracies in percent: ``test`` and ``validation``, and what they were before.

    Raises
    ------
    ConfigError
        If the experiment has no trained weights.
    DataError
        If its images cannot be read.
    """
    check_folder(folder, DESCRIPTION)
    torch.set_num_threads(threads)
    folder, evaluator = Path(os.path.realpath(folder)), answer.generator.evaluator
    if evaluator is None:
        raise ConfigError("fine-tuning needs trained weights: take supernet as accuracy.evaluator of the experiment")
    recipe = replace(evaluator.recipe, epochs=epochs, learning_rate=learning_rate, warmup_epochs=0.0)
    begun = Deployment.of(answer)
    network, shape = begun.network, begun.input_shape
    validation, test = evaluator.images("validation", shape), evaluator.images("test", shape)

    def score() -> float:
        return accuracy(recalibrate(network, evaluator.calibration(shape)), validation)

    test_before = accuracy(network, test)
    scores = fit(
        network,
        cross_entropy_step(network, recipe),
        evaluator.images("train", shape),
        recipe,
        seed=evaluator.seed,
        description="Fine-tuning",
        checkpoint=folder.with_name(f".{folder.name}.checkpoint"),
        about={"architecture": answer.architecture, "weights": answer.generator.description["files"][WEIGHTS]},
        score=score,
    )
    accuracies = {
        "test": accuracy(network.eval(), test),
        "test_before": test_before,
        "validation": max(scores),
        "validation_before": scores[0],
    }
    training = {**asdict(recipe), "best_epoch": scores.index(max(scores)), "validation_of_epochs": scores[1:]}
    tuned = replace(begun, description={**begun.description, "accuracy": accuracies, "finetuning": training})
    tuned.save(folder)
    return tuned
