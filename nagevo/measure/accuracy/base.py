"""Evaluators: they turn architectures into accuracies."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from nagevo.foundation.errors import ConfigError
from nagevo.measure.returned import checked_evaluate, is_builtin
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    from torch import nn


class Evaluator(ABC):
    """Reads the accuracy of architectures of one space.

    Parameters
    ----------
    seed : int
        Fixes data splits, initial weights and the order of training.

    Attributes
    ----------
    needs_training : bool
        Whether :meth:`train` has to run once, and its file be given to :meth:`load`, before :meth:`evaluate`.
    keeps_weights : bool
        Whether networks are trained by :meth:`evaluate` and their weights kept: see :meth:`keep`.
    exact : bool
        Whether accuracies cost nothing and are always the same (tables), so that a small space can be read whole.
    """

    needs_training: ClassVar[bool] = False
    keeps_weights: ClassVar[bool] = False
    exact: ClassVar[bool] = False

    def __init_subclass__(cls, **settings: Any):
        """Let a class of the user's own be checked wherever it evaluates."""
        super().__init_subclass__(**settings)
        if "evaluate" in vars(cls) and not is_builtin(cls):
            cls.evaluate = checked_evaluate(cls.evaluate)  # type: ignore[method-assign]

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
        """Return how the dataset's examples become inputs and outputs of networks, as plain values.

        ``classes``, and ``inputs`` (their kind) with what :meth:`nagevo.training.datasets.Inputs.describe` says: for
        images, networks take ``(pixels / 255 - mean) / std`` of the square in the center whose side is ``crop`` of the
        shorter side. Empty where accuracies come without a dataset.
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

    def keep(self, folder: str | os.PathLike) -> None:
        """Keep the weights of trained networks in a folder, and take those that lie there; where `keeps_weights`."""
        raise NotImplementedError(f"{type(self).__name__} keeps no weights")

    def has_weights(self, choices: np.ndarray) -> np.ndarray:
        """Return of which architectures there are trained weights; bool, shape (n,)."""
        return np.zeros(len(choices), dtype=bool)

    def network(self, choices: np.ndarray) -> nn.Module | None:
        """Return the trained network of one architecture in evaluation mode; None where there are no weights of it.

        Parameters
        ----------
        choices : ndarray of int8, shape (n_choices,)
        """
        return None

    def save_weights(self, choices: np.ndarray, path: str | os.PathLike) -> None:
        """Write a file from which :meth:`load` takes the weights of these architectures; where `keeps_weights`."""
        raise NotImplementedError(f"{type(self).__name__} keeps no weights")
