"""Accuracies of architectures that are each trained alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.measure.accuracy.dataset import DatasetEvaluator, channels_last

if TYPE_CHECKING:
    import torch
    from torch import nn


class TrainingEvaluator(DatasetEvaluator):
    """Train each architecture from its own initial weights, all by the same recipe."""

    keeps_weights = True

    _folder: Path | None = None
    _loaded: Mapping[str, Mapping[str, torch.Tensor]] = {}

    def keep(self, folder: str | os.PathLike) -> None:
        self._folder = Path(folder)

    def has_weights(self, choices: np.ndarray) -> np.ndarray:
        return np.array([self._weights(row) is not None for row in choices], dtype=bool)

    def save_weights(self, choices: np.ndarray, path: str | os.PathLike) -> None:
        from nagevo.training.tensors import save_tensors

        tensors: dict[str, torch.Tensor] = {}
        for row in choices:
            weights = self._weights(row)
            if weights is None:
                raise DataError(f"no weights are kept of {self._text(row)}")
            tensors |= {f"{self._text(row)}/{name}": tensor for name, tensor in weights.items()}
        save_tensors(tensors, {"evaluator": "training"}, path)

    def load(self, path: str | os.PathLike) -> None:
        from nagevo.training.tensors import load_tensors

        tensors, _ = load_tensors(path)
        loaded: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            text, _, part = name.rpartition("/")
            loaded.setdefault(text, {})[part] = tensor
        self._loaded = loaded

    def network(self, choices: np.ndarray) -> nn.Module | None:
        weights = self._weights(choices)
        if weights is None:
            return None
        network = self._untrained(choices)
        network.load_state_dict(dict(weights))
        return network.eval()

    def trained(self, choices: np.ndarray) -> nn.Module:
        """Return the trained network of one architecture; it is trained now unless its weights are kept."""
        import torch

        from nagevo.training.loop import cross_entropy_step, fit, recalibrate
        from nagevo.training.tensors import save_tensors

        choices = self.space.plain_choices(choices)
        kept = self.network(choices)
        if kept is not None:
            return kept.to(self.accelerator)
        torch.set_num_threads(1)
        network, shape = self._untrained(choices), self.plain.input_shape_of(choices)
        step = cross_entropy_step(network, self.recipe)
        fit(network, step, self.training_examples(shape), self.recipe, seed=self.seed)
        network = recalibrate(network, self.calibration(shape))
        if self._folder is not None:
            about = self._about(choices)
            save_tensors(network.state_dict(), about, self._file(self._folder, about))
        return network

    def _untrained(self, choices: np.ndarray) -> nn.Module:
        import torch

        choices = self.space.plain_choices(choices)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return channels_last(self.plain.network(choices))

    def _weights(self, choices: np.ndarray) -> Mapping[str, torch.Tensor] | None:
        """Return the weights that are loaded, or kept in the folder, of one architecture."""
        from nagevo.training.tensors import load_tensors

        text = self._text(choices)
        if text in self._loaded:
            return self._loaded[text]
        if self._folder is None:
            return None
        about = self._about(choices)
        path = self._file(self._folder, about)
        return load_tensors(path)[0] if path.is_file() else None

    def _text(self, choices: np.ndarray) -> str:
        choices = self.space.plain_choices(choices)
        return self.plain.to_text(self.plain.canonical(choices[None]))[0]

    def _about(self, choices: np.ndarray) -> dict[str, Any]:
        """Return all that the weights of an architecture depend on."""
        about = {"architecture": self._text(choices), "content": self.content} | self.about(self._untrained(choices))
        return about | {"recipe": asdict(self.recipe), "seed": self.seed, "calibration": self.calibration_examples}

    @staticmethod
    def _file(folder: Path, about: Mapping[str, Any]) -> Path:
        """Return the file of the weights that depend on ``about``."""
        return folder / f"{hashlib.sha256(repr(sorted(about.items())).encode()).hexdigest()[:24]}.safetensors"
