"""How networks are trained: the options of a section ``training``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum under a linear warm-up and a cosine schedule."""

    epochs: Annotated[int, Option("Passes over the training images; 0 to keep the weights that there are.", ge=0)] = 30
    batch_size: Annotated[int, Option("Images in a step.", ge=1)] = 64
    learning_rate: Annotated[float, Option("Peak learning rate.", gt=0)] = 0.1
    warmup_epochs: Annotated[float, Option("Passes over the training images until the learning rate peaks.", ge=0)] = (
        2.0
    )
    momentum: Annotated[float, Option("Nesterov momentum.", ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Option("Weight decay, except of batch normalization and biases.", ge=0)] = 1e-4
    label_smoothing: Annotated[float, Option("Share of the target spread over all classes.", ge=0, lt=1)] = 0.1
    shift_pixels: Annotated[int, Option("Largest random shift of an image.", "pixels", ge=0)] = 2
    flip: Annotated[bool, Option("Whether half of the images are mirrored.")] = False
    rotate_degrees: Annotated[
        float,
        Option("Largest random rotation of an image, either way.", "degrees", ge=0, le=180),
    ] = 0.0
    zoom: Annotated[float, Option("Largest random magnification of an image.", ge=1)] = 1.0
    light: Annotated[float, Option("Largest random change of contrast and brightness, as a share.", ge=0, le=1)] = 0.0

    def __post_init__(self):
        if 0 < self.epochs <= self.warmup_epochs:
            raise ConfigError(
                f"training: expected more epochs than warmup_epochs = {self.warmup_epochs}, got {self.epochs}"
            )

    def rate(self, progress: float) -> float:
        """Return the learning rate after ``progress`` epochs."""
        if progress < self.warmup_epochs:
            return self.learning_rate * progress / self.warmup_epochs
        done = (progress - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
