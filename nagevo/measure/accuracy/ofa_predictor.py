"""The published accuracy predictor of Once-for-All."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import pandas as pd

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.options import Option
from nagevo.measure.accuracy.base import Evaluator
from nagevo.measure.status import OK
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.mobilenetv3.layout import N_LAYER_CHOICES, N_SLOTS, N_STAGES
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

RESOLUTIONS = tuple(range(112, 225, 16))
"""Input resolutions in pixels that the predictor knows."""
N_INPUTS = 2 * 3 * N_SLOTS + len(RESOLUTIONS)


class OFAPredictorEvaluator(Evaluator):
    """Predict ImageNet accuracies of sub-networks of Once-for-All's MobileNetV3, width 1.2.

    References
    ----------
    Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
    section 3.4: a perceptron with three hidden layers on one-hot kernels, expansions and resolution.

    Raises
    ------
    ConfigError
        If the space is another one or the resolution is unknown to the predictor.
    DataError
        If the file is absent or is not such a state dict.

    Notes
    -----
    There is one prediction of a network's accuracy; it serves both splits.
    """

    space: MobileNetV3Space
    exact = True

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        path: Annotated[str | os.PathLike, Option("State dict of the predictor, acc_predictor.pth.", path=True)],
        resolution: Annotated[
            Literal[112, 128, 144, 160, 176, 192, 208, 224] | None,
            Option("Height and width of the images; null for the space's.", "pixels"),
        ] = None,
    ):
        super().__init__(space, seed=seed)
        if not isinstance(space, MobileNetV3Space):
            raise ConfigError(f"accuracy.evaluator: ofa_predictor knows the space mobilenetv3 only, got {space}")
        if len(space.elastic.multipliers) > 1:
            raise ConfigError("accuracy.evaluator: ofa_predictor knows no widths to choose: leave out space.widths")
        self.resolution = resolution
        for pixels in space.resolutions if resolution is None else [resolution]:
            if pixels not in RESOLUTIONS:
                raise ConfigError(
                    f"accuracy.resolution: expected one of {', '.join(map(str, RESOLUTIONS))}, got {pixels}"
                )
        self.layers = _read_layers(path)

    def evaluate(self, choices: np.ndarray, *, split: str = "validation") -> pd.DataFrame:
        x = self.encode(choices)
        for weight, bias in self.layers[:-1]:
            x = np.maximum(x @ weight.T + bias, 0.0)  # (n, n_hidden)
        weight, bias = self.layers[-1]
        fraction = x @ weight[0] + bias[0]  # (n,)
        return pd.DataFrame({"accuracy": 100.0 * fraction.astype(float), "status": OK})

    def encode(self, choices: np.ndarray) -> np.ndarray:
        """Return the predictor's input, float32 of shape (n, 128).

        20 kernels, then 20 expansions as one-hot triples, all zero for unused layers; then the resolution as one-hot.
        """
        used = self.space.used(choices).reshape(len(choices), 1, N_SLOTS, 1)
        options = choices[:, N_STAGES:N_LAYER_CHOICES].reshape(len(choices), 2, N_SLOTS, 1)
        layers = (options == np.arange(3)) & used  # (n, kernel or expansion, slot, option)
        pixels = (
            self.space.resolution_of(choices) if self.resolution is None else np.full(len(choices), self.resolution)
        )
        resolution = pixels[:, None] == RESOLUTIONS
        return np.concatenate([layers.reshape(len(choices), 2 * 3 * N_SLOTS), resolution], axis=1).astype(np.float32)


def _read_layers(path: str | os.PathLike) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weight (n_outputs, n_inputs) and bias (n_outputs,) of each layer in turn."""
    from nagevo.spaces.weights import read_state

    state = read_state(path)
    try:
        names = sorted((name for name in state if name.endswith(".weight")), key=lambda name: int(name.split(".")[0]))
        layers = [(state[name].numpy(), state[name.replace("weight", "bias")].numpy()) for name in names]
        widths = [N_INPUTS, *(len(bias) for _, bias in layers)]
    except (KeyError, TypeError, ValueError):
        raise DataError(f"accuracy predictor {path} is not a state dict of linear layers") from None
    if [weight.shape for weight, _ in layers] != [(after, before) for before, after in pairwise(widths)]:
        raise DataError(f"accuracy predictor {path}: expected layers from {N_INPUTS} inputs that fit one another")
    if widths[-1] != 1:
        raise DataError(f"accuracy predictor {path}: expected one output, got {widths[-1]}")
    return layers
