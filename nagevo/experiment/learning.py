"""From measurements to a generator in one process, without Snakemake: surrogates, frontiers, distillation."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from nagevo.experiment.config import Experiment
from nagevo.experiment.fitting import fit_accuracies, fit_device
from nagevo.foundation.machine import describe_machine
from nagevo.generator.answers import Generator
from nagevo.generator.distillation import learn_frontiers
from nagevo.learn.predictor import Predictor
from nagevo.measure.measurements import Measurements
from nagevo.search.nsga2 import evolve_frontier

PACKAGES = ("nagevo", "torch", "numpy", "xgboost", "xgboost-cpu", "deap", "scikit-learn", "onnxruntime")
"""Packages whose versions a bundle states, if they are installed."""


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
        Folder of the bundle; replaced where it exists.
    weights : path, optional
        File written by the evaluator's :meth:`train`, where it has to be trained.

    Raises
    ------
    DataError
        If fewer than two accuracies, or latencies on a device, are known.
    """
    space, devices = experiment.create_space(), list(experiment.devices)
    exact = experiment.exact
    measurements = measurements.for_devices(devices)
    accuracy = fit_accuracies(space, measurements, surrogate=experiment.search.surrogate, seed=experiment.seed)
    latency = {
        name: fit_device(
            space,
            measurements,
            name,
            exact=name in exact,
            surrogate=experiment.search.surrogate,
            seed=experiment.seed,
        )
        for name in devices
    }
    predictor = Predictor(space, measurements, accuracy, latency, exact)
    size = vars(experiment.evolve)
    frontiers = [evolve_frontier(predictor, name, **size, seed=experiment.seed) for name in devices]
    members = np.concatenate([evolved.choices for evolved in frontiers])
    return distill(experiment, predictor, members, folder, weights=weights)


def distill(
    experiment: Experiment,
    predictor: Predictor,
    members: np.ndarray,
    folder: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = None,
) -> Generator:
    """Write the bundle of a generator distilled from frontiers, and return the generator.

    Parameters
    ----------
    experiment : Experiment
    predictor : Predictor
        Predictor of the experiment's devices.
    members : ndarray of int8, shape (n, n_choices)
        Members of all frontiers.
    folder : path
        Folder of the bundle; replaced where it exists. Devices that it was adapted to are adapted again.
    weights : path, optional
        File written by the evaluator's :meth:`train`, where it has to be trained.
    """
    quantities = {name: device.measures for name, device in experiment.devices.items()}
    knowledge = learn_frontiers(predictor, members, experiment.generator, seed=experiment.seed, quantities=quantities)
    description = {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "space": {"name": experiment.space.name, **experiment.space.options},
        "accuracy": {"evaluator": experiment.accuracy.name, **experiment.accuracy.options},
        "evaluations": predictor.measurements.n_evaluations,
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), **_versions()},
    }
    return Generator.of(knowledge, description).save(folder, weights=weights)


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
