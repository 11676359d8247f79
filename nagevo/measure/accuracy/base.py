"""Evaluators: they turn architectures into accuracies."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from nagevo.foundation.errors import ConfigError
from nagevo.spaces.base import SearchSpace


class Evaluator(ABC):
    """Reads the accuracy of architectures of one space.

    Parameters
    ----------
    space : SearchSpace
    seed : int
        Fixes data splits, initial weights and the order of training.

    Attributes
    ----------
    needs_training : bool
        Whether :meth:`train` has to run once, and its file be given to :meth:`load`, before :meth:`evaluate`.
    exact : bool
        Whether accuracies cost nothing and are always the same (tables), so that a small space can be read whole.
    """

    needs_training: ClassVar[bool] = False
    exact: ClassVar[bool] = False

    def __init__(self, space: SearchSpace, *, seed: int = 0):
        self.space, self.seed = space, seed

    @abstractmethod
    def evaluate(self, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        """Return one row for each architecture, in order.

        Parameters
        ----------
        choices : ndarray of int8, shape (n_architectures, n_choices)
        split : {"validation", "test"}
            The search reads ``validation``; ``test`` is for what is reported.

        Returns
        -------
        DataFrame
            ``accuracy`` (percent; NaN where it could not be read) and ``status`` (``"ok"`` or the reason).
        """

    def preprocessing(self) -> dict[str, Any]:
        """Return how images become the input of a network: ``classes``, ``mean`` and ``std`` of each channel, ``crop``.

        A network takes ``(pixels / 255 - mean) / std`` of the square in the center of an image whose side is ``crop``
        of its shorter side. Empty where accuracies come without images.
        """
        return {}

    def splits(self) -> pd.DataFrame | None:
        """Return which example of the dataset went into which split; None where accuracies come without a dataset.

        Returns
        -------
        DataFrame or None
            ``split``, ``file`` (or ``pool`` and ``row``), ``class``.
        """
        return None

    def train(self, path: str | os.PathLike) -> None:
        """Train once whatever all evaluations share, resuming from ``path`` beside it when interrupted."""
        raise ConfigError(f"{type(self).__name__} has no weights that all evaluations share: there is nothing to train")

    def load(self, path: str | os.PathLike) -> None:
        """Take what :meth:`train` wrote."""
        raise ConfigError(f"{type(self).__name__} takes no weights: leave out --weights")
