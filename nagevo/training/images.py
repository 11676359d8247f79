"""Images on their way into a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from nagevo.training.augmentation import augmented
from nagevo.training.datasets import Split
from nagevo.training.recipe import Recipe


@dataclass(frozen=True)
class Images:
    """Images on their way into a network.

    Attributes
    ----------
    pixels : Tensor of uint8, shape (n, channels, height, width)
    labels : Tensor of int64, shape (n,)
    mean, std : Tensor, shape (channels, 1, 1)
        In units of full scale.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, n: int) -> Images:
        """Return the first n images."""
        return Images(self.pixels[:n], self.labels[:n], self.mean, self.std)

    def normalized(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return pixels as the networks take them: float32, mean 0 and variance 1, channels last."""
        values = (pixels / 255 - self.mean) / self.std
        return values.contiguous(memory_format=torch.channels_last)

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield normalized images and labels in order."""
        for pixels, labels in zip(self.pixels.split(size), self.labels.split(size), strict=True):
            yield self.normalized(pixels), labels

    def epoch(self, recipe: Recipe, rng: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield whole batches of augmented images and labels in random order."""
        order = torch.randperm(len(self), generator=rng)
        size = min(recipe.batch_size, len(self))
        for chosen in order[: len(self) // size * size].split(size):
            yield self.normalized(augmented(self.pixels[chosen], recipe, rng)), self.labels[chosen]


def prepare(split: Split, statistics: tuple[np.ndarray, np.ndarray]) -> Images:
    """Return the images of a split with mean and standard deviation of each channel, both of shape (channels,)."""
    mean, std = (torch.from_numpy(values).view(-1, 1, 1) for values in statistics)
    return Images(torch.from_numpy(split.images), torch.from_numpy(split.labels), mean, std)
