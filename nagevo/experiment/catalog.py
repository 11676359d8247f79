"""Answers from measuring every network of a small space on several occasions: nothing is predicted or distilled."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nagevo.experiment.config import Experiment
from nagevo.experiment.description import describe
from nagevo.experiment.measuring import profile
from nagevo.foundation.errors import ConfigError, DataError, DeviceError
from nagevo.foundation.tables import read_table
from nagevo.generator.candidates import Candidates, DeviceTable
from nagevo.generator.generator import Generator
from nagevo.learn.repeated import RepeatedValues
from nagevo.measure.latency.condition import Condition, conditions, restated
from nagevo.measure.latency.timing import TimedDevice
from nagevo.measure.status import ACCURACY, OK, failure_summary, reasons
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

    from nagevo.measure.latency.base import Device

log = logging.getLogger(__name__)

OCCASIONS = 4
"""Number of times that a device measures all networks, each time prepared anew."""
FEWEST_READINGS = 10
"""Minimum number of readings, of all networks together, for a bound: with few networks there are more occasions."""
FIRST_ROUNDS = 5
"""Rounds of the first occasion, whose duration tells how many the others can have."""
LARGEST = 10_000
"""Spaces of more architectures are refused."""
NAMES = {"architecture": "accuracy", "model": "top1"}
"""By the column of names, the column of accuracies: as nagevo writes them, and as timm does."""


def answer_from_measurements(experiment: Experiment, folder: str | os.PathLike, *, seconds: float) -> Generator:
    """Measure every network of the experiment's space that has an accuracy, and return the generator of these answers.

    Parameters
    ----------
    experiment : Experiment
    folder : path
        Folder of the bundle; replaced where it exists.
    seconds : float
        Duration of measuring on each device, about: a timed device gets as many rounds as fit, at most its own number
        and at least :data:`FIRST_ROUNDS` on each occasion.

    Raises
    ------
    ConfigError
        If the space is too large to be measured as a whole.
    DataError
        If no network has an accuracy.
    DeviceError
        If a device measures none of them.
    """
    space = experiment.create_space()
    if space.size > LARGEST:
        raise ConfigError(f"expected at most {LARGEST} networks, so that all can be measured; {space} has {space.size}")
    choices, accuracy = _with_accuracy(experiment, space)
    every = np.ones(len(choices), dtype=bool)
    candidates = Candidates.of(space, choices, accuracy, evaluated=every, searched=every)
    tables: dict[str, DeviceTable] = {}
    failures: list[str] = []
    states: dict[str, Condition] = {}
    for name, config in experiment.devices.items():
        occasions = measure_on_occasions(space, name, config.create(), choices, seconds=seconds)
        tables[name] = _table(name, space.to_text(choices), occasions, config.measures, exact=config.exact)
        failures += filter(None, [failure_summary(reasons(occasions[0], config.measures), name)])
        states |= conditions(_numbered(occasions))
    description = describe(experiment, space, len(choices), states) | {"failures": failures}
    return Generator(candidates.with_devices(tables), description).save(folder)


def measure_on_occasions(
    space: SearchSpace, name: str, device: Device, choices: np.ndarray, *, seconds: float
) -> list[pd.DataFrame]:
    """Return a device's table of each occasion; what failed on the first one is left out of the others.

    Parameters
    ----------
    space : SearchSpace
    name : str
        Name of the device.
    device : Device
        Where a second measurement gives the same number, there is one occasion.
    choices : ndarray of int8, shape (n, n_choices)
    seconds : float
        See :func:`answer_from_measurements`.

    Raises
    ------
    DeviceError
        If all of them fail.
    """
    started = time.monotonic()
    tables = [profile(space, name, _with_rounds(device, FIRST_ROUNDS), choices, first=True)]
    if device.exact:
        return tables
    rest = max(OCCASIONS, math.ceil(FEWEST_READINGS / len(choices))) - 1
    took = time.monotonic() - started
    rounds = max(FIRST_ROUNDS, int(FIRST_ROUNDS * (seconds - took) / (rest * took)))
    left = choices[(tables[0]["status"] == OK).to_numpy()]
    return [*tables, *(profile(space, name, _with_rounds(device, rounds), left) for _ in range(rest))]


def accuracy_columns(path: str | os.PathLike) -> dict[str, str]:
    """Return the options ``texts`` and ``column`` of the evaluator for a table of names and accuracies.

    Raises
    ------
    DataError
        If the table has neither the columns ``architecture`` and ``accuracy`` nor timm's ``model`` and ``top1``.
    """
    columns = read_table(path).columns
    for names, accuracies in NAMES.items():
        if names in columns and accuracies in columns:
            return {"texts": names, "column": accuracies}
    expected = " or ".join(f"{names} and {accuracies}" for names, accuracies in NAMES.items())
    raise DataError(f"table {path}: expected the columns {expected}, got {', '.join(map(str, columns))}"[:300])


def other_sizes(table: pd.DataFrame, space: SearchSpace, choices: np.ndarray, names: str) -> list[str]:
    """Return a phrase for each network whose accuracy was read at another size of images than it takes.

    Parameters
    ----------
    table : DataFrame
        Says the sizes in a column ``img_size``, as timm's results do; without one nothing is returned.
    space : SearchSpace
    choices : ndarray of int8, shape (n, n_choices)
    names : str
        Column of the networks' names.
    """
    if "img_size" not in table:
        return []
    texts, pixels = (table[column].tolist() for column in (names, "img_size"))
    sizes = dict(zip(map(str, texts), pixels, strict=True))
    return [
        f"{text} takes {space.input_shape_of(row)[-1]} pixels, its accuracy is of {sizes[text]:g}"
        for text, row in zip(space.to_text(choices), choices, strict=True)
        if text in sizes and sizes[text] != space.input_shape_of(row)[-1]
    ]


def _with_rounds(device: Device, rounds: int) -> Device:
    """Return a timed device with so many rounds, at most its own number; any other device as it is."""
    return replace(device, rounds=min(device.rounds, rounds)) if isinstance(device, TimedDevice) else device


def _with_accuracy(experiment: Experiment, space: SearchSpace) -> tuple[np.ndarray, np.ndarray]:
    """Return the architectures whose accuracy is known, and the accuracies; the others are logged."""
    choices = space.enumerate()
    scores = experiment.create_evaluator(space).evaluate(choices)
    known = scores[ACCURACY].notna().to_numpy()
    names = space.to_text(choices[~known])
    if not known.any():
        raise DataError(f"none of the {len(choices)} networks has an accuracy; {names[0]}: {scores['status'].iloc[0]}")
    if names:
        log.warning("left out without an accuracy: %s", ", ".join(names))
    options = experiment.accuracy.options
    if experiment.accuracy.name == "table":
        for phrase in other_sizes(read_table(options["path"]), space, choices[known], options["texts"]):
            log.warning(phrase)
    return choices[known], scores[ACCURACY].to_numpy(dtype=float)[known]


def _table(
    name: str, texts: list[str], occasions: Sequence[pd.DataFrame], quantity: str, *, exact: bool
) -> DeviceTable:
    """Return what the answers need of a device, from its tables of each occasion."""
    stated = [table.set_index("architecture")[quantity] for table in restated(_numbered(occasions)).values()]
    repeated = RepeatedValues.of(np.array([values.reindex(texts).to_numpy(dtype=float) for values in stated]))
    failed = np.isnan(repeated.expected)
    if failed.all():
        raise DeviceError(f"every network failed on {name} when it was measured again")
    return DeviceTable(
        quantity=quantity,
        exact=exact,
        adapted=False,
        highest_confidence=repeated.highest_confidence,
        expected=np.where(failed, np.nanmax(repeated.expected), repeated.expected),
        spread=repeated.spread,
        measured=repeated.expected,
        excluded=failed,
        proposed=np.zeros(len(texts), dtype=bool),
        verified=~failed,
        residuals=repeated.residuals,
        repeats=repeated.residuals,
    )


def _numbered(tables: Sequence[pd.DataFrame]) -> Mapping[str, pd.DataFrame]:
    return {f"of occasion {number}": table for number, table in enumerate(tables, 1)}
