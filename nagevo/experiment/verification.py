"""Verification: answers are measured before they are given, and the generator learns from these measurements.

In each round the answers of the generator that were not measured yet are proposals: their latency is read on further
occasions, since they were chosen for seeming fast on those before, and their accuracy where it is not known. Then a new
generator is made from all measurements.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from nagevo.experiment.config import Experiment
from nagevo.experiment.learning import learn, relearn
from nagevo.experiment.measuring import profile, score
from nagevo.foundation import frontier
from nagevo.foundation.errors import InfeasibleBudget
from nagevo.foundation.quantities import column_name
from nagevo.generator.generator import Generator
from nagevo.measure.latency.condition import restated
from nagevo.measure.measurements import AGAIN, EXTRA_ROUND, FAILURE, Measurements
from nagevo.measure.rounds import join_shards
from nagevo.measure.status import reasons
from nagevo.spaces.base import SearchSpace, unique

LATTICE = 32
"""Budgets for each device whose answers are verified: half of them evenly spaced over all that can be answered, half by
equal factors. Where no more than so many answers are left to verify, all of them are."""


def unverified(
    generator: Generator, measurements: Measurements, experiment: Experiment
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return what is to be measured in a verification round.

    Parameters
    ----------
    generator : Generator
    measurements : Measurements
        The measurements of the search: the budgets of the evaluation come from them.
    experiment : Experiment

    Returns
    -------
    proposals : dict of ndarray of int8, shape (n, n_choices)
        By device, answers that were not measured on occasions after the search.
    unread : ndarray of int8, shape (n, n_choices)
        Those of them whose accuracy is unknown.
    """
    space, nothing = generator.space, np.empty((0, generator.space.n_choices), dtype=np.int8)
    proposals, unread = {}, [nothing]
    for device in experiment.verified:
        confidence = generator.supported(experiment.evaluation.confidence, device)
        steps = generator.steps(device=device, confidence=confidence)
        answers = [answer for answer in steps if not answer.verified]
        if len(answers) > LATTICE:
            ends = steps[0].bound, steps[-1].bound
            asked = np.concatenate([np.linspace(*ends, LATTICE // 2), np.geomspace(*ends, LATTICE // 2)])
            known = measurements.complete(device)
            if len(known):
                evaluated = frontier.budgets(known.objectives(device), experiment.evaluation.budgets)
                asked = np.concatenate([asked, evaluated])
            given = generator.answers(asked, device=device, confidence=confidence)
            answers = [answer for answer in given if not isinstance(answer, InfeasibleBudget) and not answer.verified]
        proposals[device] = unique(space.from_text([answer.architecture for answer in answers])) if answers else nothing
        unmeasured = [answer.architecture for answer in answers if not answer.measured]
        if unmeasured:
            unread.append(space.from_text(unmeasured))
    return proposals, unique(np.concatenate(unread))


def with_verified(
    space: SearchSpace,
    measurements: Measurements,
    scores: Sequence[pd.DataFrame],
    occasions: Mapping[str, Sequence[pd.DataFrame]],
) -> Measurements:
    """Return measurements with those of a verification round.

    Parameters
    ----------
    measurements : Measurements
    scores : sequence of DataFrame
        Accuracies; they do not count as evaluations of the search.
    occasions : mapping of str to sequence of DataFrame
        By device, what it measured on each further occasion.
    """
    frame = measurements.to_frame(space).set_index("architecture")
    read = [table.set_index("architecture") for table in scores if len(table)]
    columns: dict[str, pd.Series] = {}
    if read:
        joined = join_shards({f"of scores {number}": table.reset_index() for number, table in enumerate(read)})
        columns |= {str(name): joined[name] for name in joined}
    for device, tables in occasions.items():
        columns |= _again(measurements, device, [table for table in tables if len(table)])
    if not columns:
        return measurements
    every = frame.index.append([values.index for values in columns.values()]).unique()
    frame = frame.reindex(every)
    frame["round"] = frame["round"].fillna(EXTRA_ROUND)
    for name, values in columns.items():
        if name not in frame:
            frame[name] = pd.Series(index=every, dtype=values.dtype)
        frame.loc[values.index, name] = values
    frame = frame.reset_index().sort_values("round", kind="stable")  # as tables are read
    known = Measurements.from_frame(frame, space).for_devices(measurements.devices)
    return replace(known, conditions=measurements.conditions, cheap=measurements.cheap)


def _again(measurements: Measurements, device: str, tables: Sequence[pd.DataFrame]) -> dict[str, pd.Series]:
    """Return the columns of measurements, by architecture, that a device's tables of further occasions change."""
    if not tables:
        return {}
    quantity, first = measurements.quantities[device], measurements.again[device].shape[1]
    named = {f"of {device} on occasion {number}": table for number, table in enumerate(tables)}
    stated = [table.set_index("architecture") for table in restated(named, measurements.conditions).values()]
    values = pd.concat([table[quantity] for table in stated], axis=1).astype(float)
    failed = pd.Series(reasons(stated[0].reset_index(), quantity), index=stated[0].index, dtype=object)
    columns = {f"{AGAIN}{first + number}_{device}": values.iloc[:, number] for number in range(len(tables))}
    columns[column_name(quantity, device)] = np.exp(np.log(values).mean(axis=1))
    never = values.isna().all(axis=1)
    return columns | ({FAILURE + device: failed[never]} if never.any() else {})


def learn_verified(
    experiment: Experiment,
    measurements: Measurements,
    folder: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = None,
) -> Generator:
    """Write the bundle of a generator whose answers were verified, and return the generator.

    Parameters
    ----------
    experiment : Experiment
        Its devices and its evaluator measure.
    measurements : Measurements
        The measurements of the search.
    folder : path
        Folder of the bundle; replaced where it exists.
    weights : path, optional
        File written by the evaluator's :meth:`train`, where it has to be trained.
    """
    generator, known = learn(experiment, measurements, folder, weights=weights), measurements
    space, verified = generator.space, experiment.verified
    if not verified:
        return generator
    evaluator = experiment.open_evaluator(space, weights)
    devices = {device: experiment.device(device).create() for device in verified}
    for _ in range(experiment.verify.rounds):
        proposals, unread = unverified(generator, measurements, experiment)
        if not any(map(len, proposals.values())):
            break
        scores = [score(space, evaluator, unread)]
        occasions: dict[str, list[pd.DataFrame]] = {device: [] for device in devices}
        for number in range(max(verified.values())):
            for device, times in verified.items():
                if number < times:
                    occasions[device].append(profile(space, device, devices[device], proposals[device]))
        known = with_verified(space, known, scores, occasions)
        generator = relearn(experiment, known, generator, folder, weights=weights)
    return generator
