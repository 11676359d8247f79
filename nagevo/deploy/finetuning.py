"""Training a network on, from the weights that it has in the supernet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from nagevo.deploy.deployment import DESCRIPTION, Deployment
from nagevo.foundation.writing import check_folder
from nagevo.training.loop import accuracy, cross_entropy_step, fit, recalibrate

if TYPE_CHECKING:
    from nagevo.training.images import Images
    from nagevo.training.recipe import Recipe


class Trained(Protocol):
    """The part of an evaluator of images that training a network on takes."""

    seed: int
    recipe: Recipe

    def images(self, split: str, shape: Sequence[int]) -> Images:
        """Return the images of ``train``, ``validation`` or ``test`` in a shape."""

    def calibration(self, shape: Sequence[int]) -> Images:
        """Return the images on which batch normalization is calibrated, in a shape."""


def finetune(
    begun: Deployment,
    evaluator: Trained,
    folder: str | os.PathLike,
    *,
    weights: str,
    epochs: int = 10,
    learning_rate: float = 0.02,
    threads: int = 2,
) -> Deployment:
    """Train a network on the experiment's training images, and write it.

    The network keeps the weights with the best validation accuracy, those it began with included. Training that was
    interrupted resumes, with the same arguments, where it was.

    Parameters
    ----------
    begun : Deployment
        The network with the weights to begin with.
    evaluator : Trained
        The experiment's, with its images.
    folder : path
        Where weights and description are written, whole or not at all.
    weights : str
        Identifies the weights of ``begun``: training that began with others is not resumed.
    epochs : int
    learning_rate : float
        The first of a cosine schedule; everything else is as the experiment's networks are trained.
    threads : int
        Threads of torch.

    Returns
    -------
    Deployment
        Whose ``description`` has the accuracies in percent: ``test`` and ``validation``, and what they were before.

    Raises
    ------
    DataError
        If the images cannot be read.
    """
    check_folder(folder, DESCRIPTION)
    torch.set_num_threads(threads)
    folder = Path(os.path.realpath(folder))
    recipe = replace(evaluator.recipe, epochs=epochs, learning_rate=learning_rate, warmup_epochs=0.0)
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
        about={"architecture": begun.description["architecture"], "weights": weights},
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
