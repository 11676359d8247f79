"""From measurements to a generator in one process, without Snakemake: surrogates, frontiers, distillation."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nagevo.experiment.config import Experiment
from nagevo.experiment.description import describe
from nagevo.experiment.fitting import fit_accuracies, fit_device
from nagevo.foundation import frontier
from nagevo.generator.candidates import Candidates
from nagevo.generator.distillation import candidate_pool, learn_frontiers
from nagevo.generator.generator import Generator
from nagevo.generator.knowledge import Knowledge
from nagevo.learn.predictor import Predictor
from nagevo.measure.measurements import Measurements
from nagevo.measure.status import reasons
from nagevo.search.improvement import expected_share
from nagevo.search.nsga2 import evolve_frontier
from nagevo.spaces.base import SearchSpace, unique

FURTHER_EVALUATIONS = 25
"""Number of further evaluations whose expected gain of hypervolume a bundle states."""


def learn(
    experiment: Experiment,
    measurements: Measurements,
    folder: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = None,
    trained: str | os.PathLike | None = None,
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
    trained : path, optional
        As for :func:`distill`.

    Raises
    ------
    DataError
        If fewer than two accuracies, or latencies on a device, are known.
    """
    predictor, size = _fitted(experiment, measurements), vars(experiment.evolve)
    frontiers = [evolve_frontier(predictor, name, **size, seed=experiment.seed) for name in experiment.devices]
    members = np.concatenate([evolved.choices for evolved in frontiers])
    return distill(experiment, predictor, members, folder, weights=weights, trained=trained)


def relearn(
    experiment: Experiment,
    measurements: Measurements,
    former: Generator,
    folder: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = None,
    trained: str | os.PathLike | None = None,
) -> Generator:
    """Write the bundle of a generator that learned from more than a former one, and return the generator.

    The evolution starts from the former generator's candidates, and the training from its weights.

    Parameters
    ----------
    measurements : Measurements
        All that is known by now.
    former : Generator
    folder : path
        As for :func:`distill`; so are ``weights`` and ``trained``.
    """
    predictor, known = _fitted(experiment, measurements), former.knowledge.known()
    members = [known[frontier.frontier(predictor.objectives(device, known))] for device in experiment.devices]
    choices = np.concatenate(members)
    return distill(experiment, predictor, choices, folder, weights=weights, trained=trained, former=former.knowledge)


def _fitted(experiment: Experiment, measurements: Measurements) -> Predictor:
    """Return the predictor that is fitted to all measurements."""
    space, exact, seed = experiment.create_space(), experiment.exact, experiment.seed
    measurements, surrogate = measurements.for_devices(list(experiment.devices)).expected(), experiment.search.surrogate
    prior = experiment.search.prior
    accuracy = fit_accuracies(space, measurements, surrogate=surrogate, prior=prior, seed=seed)
    latency = {
        name: fit_device(space, measurements, name, exact=name in exact, surrogate=surrogate, seed=seed)
        for name in experiment.devices
    }
    return Predictor(space, measurements, accuracy, latency, exact)


def distill(
    experiment: Experiment,
    predictor: Predictor,
    members: np.ndarray,
    folder: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = None,
    trained: str | os.PathLike | None = None,
    former: Knowledge | None = None,
) -> Generator:
    """Write the bundle of a generator distilled from frontiers, and return the generator.

    Candidates are measured on devices where that costs nothing, unless nothing is verified.

    Parameters
    ----------
    predictor : Predictor
        Predictor of the experiment's devices, from measurements with their conditions.
    members : ndarray of int8, shape (n, n_choices)
        Members of all frontiers.
    folder : path
        Folder of the bundle; replaced where it exists. Devices that it was adapted to are adapted again.
    weights : path, optional
        File written by the evaluator's :meth:`train`, where it has to be trained.
    trained : path, optional
        Folder in which the evaluator keeps the weights of networks that it trains alone: those on the frontiers of the
        measured architectures go into the bundle.
    former : Knowledge, optional
        That of a generator to begin with.
    """
    pool = candidate_pool(predictor.space, members)
    knowledge = learn_frontiers(predictor, pool, experiment.generator, seed=experiment.seed, former=former)
    measured = predictor.measurements
    n_cheap = 0 if measured.cheap is None else len(measured.cheap)
    description = describe(experiment, predictor.space, measured.n_evaluations, measured.conditions, n_cheap)
    gains = {name: expected_share(predictor, name, pool, FURTHER_EVALUATIONS) for name in experiment.devices}
    description["expected_gain"] = {
        "evaluations": FURTHER_EVALUATIONS,
        "devices": {name: gain for name, gain in gains.items() if np.isfinite(gain)},
    }
    generator = Generator.of(knowledge, description)
    if experiment.verify.rounds:
        generator = replace(generator, candidates=_all_measured(experiment, generator.candidates, predictor.space))
    if trained is None:
        return generator.save(folder, weights=weights)
    with TemporaryDirectory() as temporary:
        return generator.save(folder, weights=kept_weights(experiment, predictor, trained, Path(temporary) / "weights"))


def _all_measured(experiment: Experiment, candidates: Candidates, space: SearchSpace) -> Candidates:
    """Return candidates with values on all devices whose measurements cost nothing."""
    tables = dict(candidates.devices)
    for name, config in experiment.devices.items():
        rows = np.flatnonzero(~tables[name].verified & ~tables[name].excluded)
        if config.free and len(rows):
            read = config.create().measure(space, candidates.choices[rows])
            failed = np.array(reasons(read, config.measures)) != ""
            tables[name] = tables[name].measured_at(rows, read[config.measures].to_numpy(dtype=float), failed)
    return candidates.with_devices(tables)


def kept_weights(experiment: Experiment, predictor: Predictor, trained: str | os.PathLike, path: Path) -> Path | None:
    """Write the weights that are kept of the architectures on the measured frontiers, and return their file, if any."""
    evaluator = experiment.create_evaluator(predictor.space)
    evaluator.keep(trained)
    members = []
    for device in predictor.known:
        measured = predictor.measurements.complete(device)
        members.append(measured.choices[frontier.frontier(measured.objectives(device))])
    choices = unique(np.concatenate(members))
    choices = choices[evaluator.has_weights(choices)]
    if not len(choices):
        return None
    evaluator.save_weights(choices, path)
    return path
