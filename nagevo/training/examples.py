"""Examples on their way into a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from nagevo.training.datasets import Inputs, Split
from nagevo.training.recipe import Recipe
from nagevo.training.tensors import digest


@dataclass(frozen=True)
class Examples:
    """Labeled examples in the memory of the processor or of a GPU.

    Attributes
    ----------
    inputs : Tensor, shape (n, *form.shape)
        As they were read: bytes of images, numbers, tokens.
    labels : Tensor of int64, shape (n,), or (n, length) with a label for each token
    form : Inputs
        How they become what a network takes.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    form: Inputs

    @classmethod
    def of(cls, split: Split, form: Inputs) -> Examples:
        """Return the examples of a split."""
        return cls(torch.from_numpy(split.inputs), torch.from_numpy(split.labels), form)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """The SHA-256 of all examples, and of how they become what a network takes."""
        return digest({"inputs": self.inputs, "labels": self.labels}, repr(self.form))

    def first(self, n: int) -> Examples:
        """Return the first n examples."""
        return replace(self, inputs=self.inputs[:n], labels=self.labels[:n])

    def to(self, device: torch.device) -> Examples:
        """Return the examples in the memory of a device."""
        return replace(self, inputs=self.inputs.to(device), labels=self.labels.to(device))

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield inputs of a network and labels in order."""
        for inputs, labels in zip(self.inputs.split(size), self.labels.split(size), strict=True):
            yield self.form.prepared(inputs), labels

    def epoch(self, recipe: Recipe, rng: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield whole batches of augmented inputs and labels in random order."""
        order = torch.randperm(len(self), generator=rng).to(self.labels.device)
        size = min(recipe.batch_size, len(self))
        for chosen in order[: len(self) // size * size].split(size):
            yield self.form.prepared(self.form.augmented(self.inputs[chosen], recipe, rng)), self.labels[chosen]
