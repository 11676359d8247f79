"""The state of an interrupted training: the best weights so far, and all that is needed to go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nagevo.foundation.errors import DataError
from nagevo.training.tensors import load_tensors, save_tensors, under_prefix


class Best:
    """The state in which a network scored best so far, and all its scores.

    Parameters
    ----------
    score : callable, optional
        Without it nothing is scored or kept.
    """

    def __init__(self, network: nn.Module, score: Callable[[], float] | None):
        self.network, self.score = network, score
        self.scores: list[float] = []
        self.state: dict[str, torch.Tensor] = {}

    def look(self) -> None:
        """Score the network as it is now, and keep its state where no earlier one was as good."""
        if self.score is None:
            return
        value = self.score()
        if not self.scores or value > max(self.scores):
            self.state = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.scores.append(value)


def save_checkpoint(
    path: Path,
    about: Mapping[str, Any],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Best,
    epochs: int,
) -> None:
    """Write the state of a training after some epochs; ``about`` tells what it depends on."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.state.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
    save_tensors(tensors, {"about": about, "epochs": epochs, "scores": best.scores}, path)


def resume(
    path: Path, about: Mapping[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer, best: Best
) -> int:
    """Load the state in a checkpoint and return its number of epochs; 0 where there is no usable checkpoint."""
    try:
        tensors, metadata = load_tensors(path)
    except DataError:
        return 0
    if metadata["about"] != json.loads(json.dumps(about)):
        return 0
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = tensor
    network.load_state_dict(under_prefix("network.", tensors))
    best.state, best.scores = under_prefix("best.", tensors), metadata["scores"]
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    return metadata["epochs"]
