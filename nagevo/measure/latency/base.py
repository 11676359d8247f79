"""Devices: they measure the latency of architectures, or another quantity that a limit can be set on."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from nagevo.foundation.errors import DeviceError
from nagevo.foundation.quantities import LATENCY, RANGE, possible
from nagevo.measure.latency.layers import Layer
from nagevo.measure.returned import checked_measure, is_builtin
from nagevo.measure.status import OK, UNKNOWN
from nagevo.spaces.base import SearchSpace


class Device(ABC):
    """Measures the latency of architectures, or another quantity.

    Attributes
    ----------
    measures : str
        Which one: a key of :data:`nagevo.foundation.quantities.QUANTITIES`.
    exact : bool
        Whether a second measurement gives the same number (tables), so that a known latency is its own bound.
    free : bool
        Whether a measurement also costs nothing, so that every candidate for an answer is measured.
    """

    measures: str = LATENCY
    exact: ClassVar[bool] = False
    free: ClassVar[bool] = False

    def __init_subclass__(cls, **settings: Any):
        """Let a class of the user's own be checked wherever it measures."""
        super().__init_subclass__(**settings)
        if "measure" in vars(cls) and not is_builtin(cls):
            cls.measure = checked_measure(cls.measure)  # type: ignore[method-assign]

    @abstractmethod
    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return one row for each architecture, in order.

        Parameters
        ----------
        choices : ndarray of int8, shape (n_architectures, n_choices)

        Returns
        -------
        DataFrame
            The quantity in a column of its name, as in ``latency_ms`` (NaN where it could not be measured), and
            ``status`` (``"ok"`` or the reason); devices that time repeated runs add ``min``, ``median`` and ``p95`` in
            the same unit, and ``dispersion_percent``.

        Raises
        ------
        DeviceError
            If the device cannot be opened at all; one architecture that fails is a row with a status.
        """

    def layers(self, space: SearchSpace, choices: np.ndarray) -> list[Layer]:
        """Return the ms of each layer of an architecture, in their order; ``choices``: shape (n_choices,).

        Raises
        ------
        DeviceError
            If the device has no profile of layers.
        """
        raise DeviceError("the device has no profile of layers; backends onnxruntime and torch have")

    @property
    def place(self) -> str:
        """Where all layers are expected to run, as :attr:`Layer.place` names it."""
        return ""


def known_values(values: np.ndarray, path: str | os.PathLike, quantity: str = LATENCY) -> pd.DataFrame:
    """Return the table of a device that read ``values``, shape (n,), in a file: NaN where the file has none."""
    valid = possible(values)
    status = np.select([valid, np.isnan(values)], [OK, f"{UNKNOWN}not in {path}"], f"not {RANGE}")
    return pd.DataFrame({quantity: np.where(valid, values, np.nan), "status": status})
