"""The steps that measure, for the workflow's commands and for searches in one process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.measure.status import ACCURACY, failure_summary, outcomes, reasons, refuse_all_failed
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

    from nagevo.measure.accuracy import Evaluator
    from nagevo.measure.latency.base import Device

log = logging.getLogger(__name__)


def score(
    space: SearchSpace, evaluator: Evaluator, choices: np.ndarray, *, split: str = "validation", first: bool = False
) -> pd.DataFrame:
    """Return the accuracies of architectures: ``architecture, accuracy, status``.

    Parameters
    ----------
    choices : ndarray of int8, shape (n, n_choices)
    split : {"validation", "test"}
    first : bool
        Whether these are all of the first round.

    Raises
    ------
    DeviceError
        If all of the first round fail.
    """
    import pandas as pd

    if not len(choices):  # a search that ended early
        return pd.DataFrame(columns=["architecture", ACCURACY, "status"])
    return _reported(space, choices, evaluator.evaluate(choices, split=split), ACCURACY, ACCURACY, first)


def profile(space: SearchSpace, name: str, device: Device, choices: np.ndarray, *, first: bool = False) -> pd.DataFrame:
    """Return the measurements of a device: ``architecture, device``, its quantity, ``status`` and its further columns.

    Parameters
    ----------
    name : str
        Name of the device.
    choices : ndarray of int8, shape (n, n_choices)
    first : bool
        Whether these are all of the first round.

    Raises
    ------
    DeviceError
        If all of the first round fail.
    """
    import pandas as pd

    if not len(choices):
        return pd.DataFrame(columns=["architecture", "device", device.measures, "status"])
    table = _reported(space, choices, device.measure(space, choices), device.measures, name, first)
    table.insert(1, "device", name)
    return table


def _reported(
    space: SearchSpace, choices: np.ndarray, table: pd.DataFrame, column: str, name: str, first: bool
) -> pd.DataFrame:
    """Return a table of measurements with the architectures, after its failures were refused or reported."""
    if first:
        refuse_all_failed(outcomes(table, column).tolist(), name)
    summary = failure_summary(reasons(table, column), name)
    if summary:
        log.warning(summary)
    table = table.copy()
    table.insert(0, "architecture", space.to_text(choices))
    return table


def extra_architectures(space: SearchSpace, n: int | str, *, seed: int) -> np.ndarray:
    """Return the architectures whose latency alone is measured, shape (n, n_choices).

    Raises
    ------
    ConfigError
        If the space does not have so many.
    """
    if isinstance(n, str):  # "all"
        return space.enumerate()
    if n > space.size:
        raise ConfigError(f"extra_measurements: {space} has {space.size} architectures, asked for {n}")
    return space.sample_distinct(n, rng=np.random.default_rng([seed, 1]))
