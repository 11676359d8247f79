"""How networks are trained: the options of a section ``training``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option
from nagevo.training.accelerator import Accelerator, Precision


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum under a linear warm-up and a cosine schedule."""

    epochs: Annotated[int, Option("Passes over the training examples; 0 to keep the weights that exist.", ge=0)] = 30
    batch_size: Annotated[int, Option("Examples in a step.", ge=1)] = 64
    learning_rate: Annotated[float, Option("Peak learning rate.", gt=0)] = 0.1
    warmup_epochs: Annotated[float, Option("Passes until the learning rate peaks.", ge=0)] = 2.0
    momentum: Annotated[float, Option("Nesterov momentum.", ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Option("Weight decay, except of batch normalization and biases.", ge=0)] = 1e-4
    label_smoothing: Annotated[float, Option("Share of the target spread over all classes.", ge=0, lt=1)] = 0.1
    clip: Annotated[
        float | None, Option("Maximum norm of the gradient of all weights; null for no clipping.", gt=0)
    ] = None
    shift_pixels: Annotated[int, Option("Of images: largest random shift.", "pixels", ge=0)] = 2
    flip: Annotated[bool, Option("Of images: whether half of them are mirrored.")] = False
    rotate_degrees: Annotated[
        float,
        Option("Of images: largest random rotation, either way.", "degrees", ge=0, le=180),
    ] = 0.0
    zoom: Annotated[float, Option("Of images: largest random magnification.", ge=1)] = 1.0
    light: Annotated[
        float, Option("Of images: largest random change of contrast and brightness, as a share.", ge=0, le=1)
    ] = 0.0

    noise: Annotated[
        float, Option("Of arrays: standard deviation of random noise, as a share of that of the channel.", ge=0)
    ] = 0.0
    amplitude: Annotated[
        float, Option("Of arrays: largest random change of the amplitude, as a share.", ge=0, le=1)
    ] = 0.0

    accelerator: Accelerator = "cpu"
    precision: Precision = "float32"

    def __post_init__(self):
        if 0 < self.epochs <= self.warmup_epochs:
            raise ConfigError(
                f"epochs: expected 0 or more than warmup_epochs, {self.warmup_epochs:g}, got {self.epochs}"
            )

    def rate(self, progress: float) -> float:
        """Return the learning rate after ``progress`` epochs."""
        if progress < self.warmup_epochs:
            return self.learning_rate * progress / self.warmup_epochs
        done = (progress - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
