"""Kinds of inputs: how each is read, normalized, changed at random, and described where a network runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.training.recipe import Recipe

if TYPE_CHECKING:
    import torch

Failures = dict[int, str]
"""Why some rows cannot be read, by their place among those that were asked for."""


@dataclass(frozen=True)
class Inputs(ABC):
    """The inputs of networks of one kind and shape.

    Attributes
    ----------
    shape : tuple of int
        Of one input, without the batch.
    kind : str
        Key of :data:`KINDS`.
    augmentations : tuple of str
        Options of the recipe that change inputs of this kind at random.
    task : str
        The task of a network of these inputs, as the hub of Hugging Face calls it; empty where it has no name.
    """

    shape: tuple[int, ...]

    kind: ClassVar[str]
    augmentations: ClassVar[tuple[str, ...]] = ()
    task: ClassVar[str]

    @abstractmethod
    def read(self, stored: Any, rows: np.ndarray, description: str) -> tuple[np.ndarray, Failures]:
        """Return some rows of a pool as an array, shape (n, *shape), and why some of them cannot be read.

        ``description`` names the work where its progress is shown.
        """

    def fitted(self, inputs: np.ndarray) -> Inputs:
        """Return the same kind of inputs, normalized by these of the training split where nothing else is given."""
        return self

    @property
    def is_fitted(self) -> bool:
        """Whether nothing of the normalization is to be measured."""
        return True

    def resized(self, shape: tuple[int, ...]) -> Inputs:
        """Return the same kind of inputs in another shape."""
        return replace(self, shape=shape)

    @abstractmethod
    def prepared(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what a network takes for inputs as they are kept, shape (batch, *shape)."""

    def augmented(self, inputs: torch.Tensor, recipe: Recipe, rng: torch.Generator) -> torch.Tensor:
        """Return inputs changed at random in ways that leave their labels alone, as they are kept.

        Images that are larger than the shape are changed as they are, and then scaled.
        """
        return inputs

    def readings(self, cross_entropy: np.ndarray) -> dict[str, np.ndarray]:
        """Return further columns of scores: what follows of mean cross-entropies (nats), shape (n,)."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Return how inputs are prepared, as plain values, beside their shape."""
        return {"inputs": self.kind}

    @abstractmethod
    def sentences(self) -> Iterator[str]:
        """Yield how inputs are prepared, in words for the card of a network."""

    def check(self, recipe: Recipe) -> None:
        """Check that a recipe has no random changes of another kind of inputs.

        Raises
        ------
        ConfigError
        """
        foreign = {name for kind in KINDS.values() for name in kind.augmentations} - set(self.augmentations)
        defaults = {field.name: field.default for field in fields(Recipe)}
        for name in sorted(foreign):
            if getattr(recipe, name) != defaults[name]:
                own = f"choose from {', '.join(self.augmentations)}" if self.augmentations else "there are none for it"
                raise ConfigError(f"training.{name}: the dataset holds {self.kind}, which it does not change; {own}")


@dataclass(frozen=True)
class Normalized(Inputs):
    """Inputs whose channels get mean 0 and variance 1.

    Attributes
    ----------
    mean, std : tuple of float, optional
        Of each channel, the first dimension of the shape; those of the training split where they are None.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self):
        for key in ("mean", "std"):
            values = getattr(self, key)
            if values is not None and len(values) != self.shape[0]:
                raise ConfigError(
                    f"dataset.{key}: expected a number for each of {self.shape[0]} channels, got {len(values)}"
                )

    @property
    def is_fitted(self) -> bool:
        return self.mean is not None and self.std is not None

    def fitted(self, inputs: np.ndarray) -> Normalized:
        mean, std = self.statistics(inputs)
        return replace(
            self,
            mean=tuple(mean.astype(np.float32).tolist()) if self.mean is None else self.mean,
            std=tuple(std.astype(np.float32).tolist()) if self.std is None else self.std,
        )

    @abstractmethod
    def statistics(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of each channel, both of shape (channels,)."""

    def known_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel, once they are known."""
        if self.mean is None or self.std is None:
            raise ValueError("inputs are not fitted to a training split yet")
        return self.mean, self.std

    def normalized(self, values: torch.Tensor) -> torch.Tensor:
        """Return values less the mean of their channel, divided by its standard deviation."""
        import torch

        mean, std = (
            torch.tensor(numbers).view(-1, *[1] * (len(self.shape) - 1)) for numbers in self.known_statistics()
        )
        return (values - mean.to(values.device)) / std.to(values.device)

    def describe(self) -> dict[str, Any]:
        mean, std = self.known_statistics()
        return {**super().describe(), "mean": list(mean), "std": list(std)}

    def _numbers(self) -> str:
        listed = (", ".join(f"{value:.6g}" for value in values) for values in self.known_statistics())
        return "mean {} and standard deviation {}".format(*listed)


@dataclass(frozen=True)
class ImageInputs(Normalized):
    """Images, shape (channels, height, width), kept as bytes; mean and deviation are in units of full scale.

    Attributes
    ----------
    crop : float
        Side of the square in the center that is kept, as a share of the shorter side.
    """

    crop: float = 1.0

    kind: ClassVar[str] = "images"
    augmentations: ClassVar[tuple[str, ...]] = ("shift_pixels", "flip", "rotate_degrees", "zoom", "light")
    task: ClassVar[str] = "image-classification"

    def __post_init__(self):
        super().__post_init__()
        if len(self.shape) != 3 or self.shape[0] not in (1, 3):
            raise ConfigError(
                f"the space takes inputs of shape {self.shape}, but the dataset holds images: expected a shape "
                "(channels, height, width) with 1 or 3 channels"
            )

    def read(self, stored: Any, rows: np.ndarray, description: str) -> tuple[np.ndarray, Failures]:
        from nagevo.training.datasets.decoding import decoded

        return decoded(stored, rows, self.shape, self.crop, description)

    def statistics(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = np.zeros((self.shape[0], 256), dtype=np.int64)
        for image in inputs:  # one by one: bincount takes eight bytes for each pixel
            counts += [np.bincount(channel.ravel(), minlength=256) for channel in image]
        values, shares = np.arange(256) / 255, counts / counts.sum(axis=1, keepdims=True)  # (channels, 256)
        mean = shares @ values
        variance = (shares * (values - mean[:, None]) ** 2).sum(axis=1)
        return mean, np.maximum(np.sqrt(variance), 1e-3)

    def prepared(self, inputs: torch.Tensor) -> torch.Tensor:
        import torch

        return self.normalized(inputs / 255).contiguous(memory_format=torch.channels_last)

    def augmented(self, inputs: torch.Tensor, recipe: Recipe, rng: torch.Generator) -> torch.Tensor:
        from nagevo.training.augmentation import changed_images, scaled

        return scaled(changed_images(inputs, recipe, rng), self.shape)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "crop": self.crop}

    def sentences(self) -> Iterator[str]:
        yield "A pixel from 0 to 255 is given as `(pixel / 255 - mean) / std`, with for each channel"
        yield f"{self._numbers()}."
        side = "the shorter side" if self.crop == 1 else f"{self.crop:g} of the shorter side"
        _, height, width = self.shape
        if height == width:
            yield f"The square in the center of an image, with {side}, is scaled; transparent parts are white."
        else:
            yield (
                f"The center of an image, the largest part with sides of {height} to {width}, times {self.crop:g}, is"
                " scaled; transparent parts are white."
            )


@dataclass(frozen=True)
class ArrayInputs(Normalized):
    """Numbers of any fixed shape, kept as float32; the first dimension of the shape is that of the channels."""

    kind: ClassVar[str] = "arrays"
    augmentations: ClassVar[tuple[str, ...]] = ("noise", "amplitude")
    task: ClassVar[str] = ""

    def read(self, stored: Any, rows: np.ndarray, description: str) -> tuple[np.ndarray, Failures]:
        inputs = stored[rows].astype(np.float32)
        wrong = np.flatnonzero(~np.isfinite(inputs).reshape(len(rows), -1).all(axis=1)).tolist()
        return inputs, {place: f"row {rows[place] + 1} holds values that are not finite" for place in wrong}

    def statistics(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        axes = (0, *range(2, inputs.ndim))
        std = inputs.std(axis=axes, dtype=float)
        return inputs.mean(axis=axes, dtype=float), np.where(std > 0, std, 1.0)

    def prepared(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.normalized(inputs)

    def augmented(self, inputs: torch.Tensor, recipe: Recipe, rng: torch.Generator) -> torch.Tensor:
        from nagevo.training.augmentation import changed_arrays

        return changed_arrays(inputs, self.known_statistics()[1], recipe, rng)

    def sentences(self) -> Iterator[str]:
        yield "A value is given as `(value - mean) / std`, with for each channel (the first dimension)"
        yield f"{self._numbers()}."


@dataclass(frozen=True)
class TokenInputs(Inputs):
    """Sequences of tokens, shape (length,), each with the token that follows it as its label."""

    kind: ClassVar[str] = "tokens"
    task: ClassVar[str] = "text-generation"

    def read(self, stored: Any, rows: np.ndarray, description: str) -> tuple[np.ndarray, Failures]:
        return stored[rows], {}

    def prepared(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs

    def readings(self, cross_entropy: np.ndarray) -> dict[str, np.ndarray]:
        return {"perplexity": np.exp(cross_entropy)}

    def sentences(self) -> Iterator[str]:
        yield "An input is a sequence of tokens, each the index of its class below. For each of them, an output has"
        yield "logits of the next one."


KINDS: dict[str, type[Inputs]] = {kind.kind: kind for kind in (ImageInputs, ArrayInputs, TokenInputs)}
"""Kinds of inputs by name."""


def described_inputs(shape: Sequence[int], description: Mapping[str, Any]) -> Inputs | None:
    """Return the inputs that :meth:`Inputs.describe` described; None where a description says nothing of them."""
    if "inputs" not in description:
        return None
    kind = KINDS[description["inputs"]]
    names = {field.name for field in fields(kind)} - {"shape"}
    plain = {name: description[name] for name in names}
    return kind(
        tuple(shape), **{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    )
