"""What turns architectures into latencies, or into another number that a limit can be set on."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import pandas as pd

from nagevo.foundation.quantities import LATENCY
from nagevo.measure.accuracy.base import OK
from nagevo.spaces.base import SearchSpace


class Device(ABC):
    """Measures the latency of architectures, or another quantity.

    Attributes
    ----------
    measures : str
        Which one: a key of :data:`nagevo.foundation.quantities.QUANTITIES`.
    exact : bool
        Whether a second measurement gives the same number (tables), so that a known latency is its own bound.
    """

    measures: str = LATENCY
    exact: ClassVar[bool] = False

    @abstractmethod
    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return one row for each architecture, in order.

        Parameters
        ----------
        space : SearchSpace
        choices : ndarray of int8, shape (n_architectures, n_choices)

        Returns
        -------
        DataFrame
            ``latency_ms``, whichever quantity it is (NaN where it could not be measured), and ``status`` (``"ok"`` or
            the reason); devices that time repeated runs add ``min_ms``, ``median_ms``, ``p95_ms`` and
            ``dispersion_percent``.

        Raises
        ------
        DeviceError
            If the device cannot be opened at all; one architecture that fails is a row with a status.
        """


def known_latencies(latency_ms: np.ndarray, path: str | os.PathLike) -> pd.DataFrame:
    """Return what a device that reads a file measures: rows with a status where the file has no number.

    Parameters
    ----------
    latency_ms : ndarray, shape (n,)
        NaN where the file has none.
    path : path
        Of the file.
    """
    valid = np.isfinite(latency_ms) & (latency_ms > 0)
    status = np.select([valid, np.isnan(latency_ms)], [OK, f"not in {path}"], "not a positive finite number")
    return pd.DataFrame({"latency_ms": np.where(valid, latency_ms, np.nan), "status": status})
