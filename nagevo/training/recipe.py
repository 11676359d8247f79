"""How networks are trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nagevo.foundation.errors import ConfigError


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum under a linear warm-up and a cosine schedule.

    Attributes
    ----------
    epochs, batch_size : int
    learning_rate : float
        The peak.
    warmup_epochs : float
    momentum, weight_decay : float
        Weights of batch normalization and biases do not decay.
    label_smoothing : float
        Share of the target that is spread evenly over all classes.
    shift_pixels : int
        Images are shifted at random by up to so many pixels each way (a random crop of the zero-padded image).
    flip : bool
        Half of the images are mirrored left to right.
    rotate_degrees : float
        Images are turned at random by up to so many degrees either way.
    zoom : float
        Images are magnified at random up to so many times.
    light : float
        Contrast and brightness change at random by up to this share.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.1
    warmup_epochs: float = 2.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    shift_pixels: int = 2
    flip: bool = False
    rotate_degrees: float = 0.0
    zoom: float = 1.0
    light: float = 0.0

    def __post_init__(self):
        if self.epochs <= self.warmup_epochs:
            raise ConfigError(
                f"training: expected more epochs than warmup_epochs = {self.warmup_epochs}, got {self.epochs}"
            )

    def rate(self, progress: float) -> float:
        """Return the learning rate after ``progress`` epochs."""
        if progress < self.warmup_epochs:
            return self.learning_rate * progress / self.warmup_epochs
        done = (progress - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
