"""What turns architectures into latencies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import pandas as pd

from nagevo.spaces.base import SearchSpace


class Device(ABC):
    """Measures the latency of architectures.

    Attributes
    ----------
    exact : bool
        Whether a second measurement gives the same number (tables), so that a known latency is its own bound.
    """

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
            ``latency_ms`` (NaN where it could not be measured) and ``status`` (``"ok"`` or the reason); devices that
            time repeated runs add ``min_ms``, ``median_ms``, ``p95_ms`` and ``dispersion_percent``.

        Raises
        ------
        DeviceError
            If the device cannot be opened at all; one architecture that fails is a row with a status.
        """
