"""Drawing architectures from the trained model: a few matrix products, for which NumPy is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Decoder:
    """The weights of a trained :class:`nagevo.generator.model.FrontierModel`.

    Attributes
    ----------
    n_options : sequence of int, length n_choices
        Number of options of each choice.
    weights : mapping of str to ndarray of float32
        The state of the torch module, by its names.
    """

    n_options: Sequence[int]
    weights: Mapping[str, np.ndarray]

    def decode(self, conditions: np.ndarray, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return n architectures for each condition: the first greedily, the others drawn.

        Parameters
        ----------
        conditions : ndarray of float32, shape (batch, n_conditions)

        Returns
        -------
        ndarray of int8, shape (batch, n, n_choices)
        """
        logits = np.repeat(self._trunk(conditions), n, axis=0)  # (batch * n, n_logits)
        uniform = rng.random(logits.shape, dtype=np.float32).clip(1e-9, 1 - 1e-7)
        noise = -np.log(-np.log(uniform))
        noise[::n] = 0.0
        coupling = self.weights["coupling"]
        columns, start = [], 0
        for size in self.n_options:
            stop = start + size
            option = (logits[:, start:stop] + noise[:, start:stop]).argmax(axis=1)
            logits[:, stop:] += coupling[start + option, stop:]
            columns.append(option)
            start = stop
        return np.stack(columns, axis=1).astype(np.int8).reshape(len(conditions), n, len(self.n_options))

    def _trunk(self, conditions: np.ndarray) -> np.ndarray:
        """Return the logits before any choice is made, shape (batch, n_logits)."""
        hidden = conditions
        for layer in (0, 2):
            hidden = self._linear(hidden, layer)
            hidden = hidden / (1 + np.exp(-hidden))  # SiLU
        return self._linear(hidden, 4)

    def _linear(self, inputs: np.ndarray, layer: int) -> np.ndarray:
        return inputs @ self.weights[f"trunk.{layer}.weight"].T + self.weights[f"trunk.{layer}.bias"]
