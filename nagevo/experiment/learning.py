"""From measurements to a generator in one process, without Snakemake: surrogates, frontiers, distillation."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagevo.experiment.config import Experiment
from nagevo.foundation.errors import DataError
from nagevo.generator.distillation import learn_frontiers
from nagevo.generator.storage import load_generator, save_generator
from nagevo.learn.fitting import fit_accuracy, fit_latency
from nagevo.learn.predictor import Predictor
from nagevo.measure.measurements import Measurements
from nagevo.search.nsga2 import evolve_frontier
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    from nagevo.generator.answers import Generator


def learn(
    experiment: Experiment,
    measurements: Measurements,
    folder: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = None,
) -> Generator:
    """Write the bundle of a generator that learned from measurements, and return the generator.

    Parameters
    ----------
    experiment : Experiment
        Its devices are those of the measurements.
    measurements : Measurements
        From :func:`nagevo.experiment.search.run_search` or :meth:`Measurements.from_files`. Each round counts as a
        measuring occasion of the devices that are timed.
    folder : path
        Of the bundle; replaced where it exists.
    weights : path, optional
        What the evaluator's :meth:`train` wrote, where it has to be trained.

    Raises
    ------
    DataError
        If fewer than two accuracies, or latencies on a device, are known.
    """
    space, devices = experiment.create_space(), list(experiment.devices)
    exact = experiment.exact
    measurements = measurements.for_devices(devices)
    with tempfile.TemporaryDirectory(prefix="nagevo-") as surrogates:
        _fit(experiment, space, measurements, exact, Path(surrogates))
        predictor = Predictor.from_files(space, measurements, surrogates, devices, exact)
        frontiers = [evolve_frontier(predictor, name, experiment.evolve, seed=experiment.seed) for name in devices]
        members = np.concatenate([evolved.choices for evolved in frontiers])
        model, probes, views = learn_frontiers(predictor, members, experiment.generator, seed=experiment.seed)
        save_generator(folder, experiment, model, probes, views, predictor, surrogates, weights)
    return load_generator(folder)


def _fit(
    experiment: Experiment, space: SearchSpace, measurements: Measurements, exact: list[str], folder: Path
) -> None:
    """Write the surrogates of accuracy and of the latency on each device into a folder."""
    features, accuracy, seed = space.features(measurements.choices), measurements.accuracy, experiment.seed
    fit_accuracy(features, accuracy, seed=seed).save(folder / "accuracy")
    for device, latency_ms in measurements.values.items():
        occasions = None if device in exact else measurements.round
        try:
            surrogate = fit_latency(features, latency_ms, accuracy=accuracy, occasions=occasions, seed=seed)
        except DataError as error:
            raise DataError(f"device {device}: {error}") from None
        surrogate.save(folder / f"latency_{device}")
