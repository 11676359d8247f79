"""The precision of networks as a choice of any space: float32, or int8 by quantization after training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option
from nagevo.spaces.base import SearchSpace

if TYPE_CHECKING:
    import torch


class PreciseSpace(SearchSpace):
    """A space whose architectures also choose a precision; the last choice is theirs, and the end of the text.

    Its networks are those of the other space, in float32: what scores, times or delivers an architecture in int8
    quantizes it (:mod:`nagevo.deploy.quantization`).

    Parameters
    ----------
    plain : SearchSpace
        The space of the networks.
    precisions : sequence of str
        From the smallest type of numbers to the largest, each once.
    """

    def __init__(self, plain: SearchSpace, precisions: Sequence[str]):
        self._inner, self.precisions = plain, tuple(precisions)
        self.resolutions, self.vocabulary = plain.resolutions, plain.vocabulary

    def __getattr__(self, name: str) -> Any:
        """Return what the other space has beside what every space has, such as ``classes``."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    @property
    def plain(self) -> SearchSpace:
        return self._inner

    @property
    def n_options(self) -> tuple[int, ...]:  # type: ignore[override]
        """Number of options of each choice."""
        return *self._inner.n_options, len(self.precisions)

    @property
    def choice_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Meaning of each choice, for people."""
        return *self._inner.choice_names, "precision"

    @property
    def size(self) -> int:
        return self._inner.size * len(self.precisions)

    def plain_choices(self, choices: np.ndarray) -> np.ndarray:
        return choices[..., : self._inner.n_choices]

    def precisions_of(self, choices: np.ndarray) -> np.ndarray:
        return np.array(self.precisions)[choices[:, -1]]

    def _joined(self, plain: np.ndarray, precision: np.ndarray) -> np.ndarray:
        return np.column_stack([plain, precision.reshape(-1, 1)]).astype(np.int8)

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        return self._joined(self._inner.canonical(self.plain_choices(choices)), choices[:, -1])

    def normal(self, choices: np.ndarray) -> np.ndarray:
        return self._joined(self._inner.normal(self.plain_choices(choices)), choices[:, -1])

    def to_text(self, choices: np.ndarray) -> list[str]:
        """Return the texts of the other space, in int8 followed by ``@int8``."""
        texts = self._inner.to_text(self.plain_choices(choices))
        endings = ("" if each == "fp32" else f"@{each}" for each in self.precisions_of(choices))
        return [text + ending for text, ending in zip(texts, endings, strict=True)]

    def _parse(self, text: str) -> list[int]:
        plain = text.removesuffix("@int8")
        precision = "fp32" if plain == text else "int8"
        if precision not in self.precisions:
            raise ValueError(f"it is in {precision}, expected {' or '.join(self.precisions)}")
        row = self._inner._checked(self._inner._parse(plain))
        return [*map(int, row), self.precisions.index(precision)]

    def words(self, choices: np.ndarray) -> list[str]:
        return [*self._inner.words(self.plain_choices(choices)), self.precisions[int(choices[-1])]]

    def lists(self, texts: Sequence[str]) -> np.ndarray:
        return self._inner.lists([str(text).removesuffix("@int8") for text in texts])

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return what surrogates see: the features of the other space, and 1 for float32, 0 for int8."""
        features = self._inner.features(self.plain_choices(choices))
        return np.column_stack([features, self.precisions_of(choices) == "fp32"]).astype(np.float32)

    def extremes(self) -> np.ndarray:
        return self._joined(self._inner.extremes(), np.array([0, len(self.precisions) - 1]))

    def sample(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        return self._joined(self._inner.sample(n, rng=rng), rng.integers(0, len(self.precisions), size=n))

    def sample_range(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        return self._joined(self._inner.sample_range(n, rng=rng), rng.integers(0, len(self.precisions), size=n))

    def mutate(self, choices: np.ndarray, *, rng: np.random.Generator, rate: float | None = None) -> np.ndarray:
        rate = 1.0 / self.n_choices if rate is None else rate
        plain = self._inner.mutate(self.plain_choices(choices), rng=rng, rate=rate)
        drawn = rng.integers(0, len(self.precisions), size=len(choices))
        return self._joined(plain, np.where(rng.random(len(choices)) < rate, drawn, choices[:, -1]))

    def crossover(self, first: np.ndarray, second: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        plain = self._inner.crossover(self.plain_choices(first), self.plain_choices(second), rng=rng)
        return self._joined(plain, np.where(rng.random(len(first)) < 0.5, first[:, -1], second[:, -1]))

    def enumerate(self) -> np.ndarray:
        plain, n = self._inner.enumerate(), len(self.precisions)
        return self._joined(np.tile(plain, (n, 1)), np.repeat(np.arange(n), len(plain)))

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._inner.input_shape

    def input_shape_of(self, choices: np.ndarray) -> tuple[int, ...]:
        return self._inner.input_shape_of(self.plain_choices(choices))

    def onnx_file(self, choices: np.ndarray) -> Path | None:
        return self._inner.onnx_file(self.plain_choices(choices))

    def network(self, choices: np.ndarray) -> torch.nn.Module:
        """Return the network in float32, whatever the precision."""
        return self._inner.network(self.plain_choices(choices))

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        return self._inner.costs(self.plain_choices(choices))

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        """Return the memory of each architecture in its own precision."""
        return self._inner.memory(self.plain_choices(choices), self.precisions_of(choices))

    def __str__(self) -> str:
        return f"{self._inner} in {' and '.join(self.precisions)}"


def with_precisions(
    space: SearchSpace,
    *,
    precisions: Annotated[
        Sequence[Literal["fp32", "int8"]],
        Option("Number types among which an architecture chooses; if empty, all are float32."),
    ] = (),
) -> SearchSpace:
    """Return the space, or where architectures choose a precision, one with this choice.

    Raises
    ------
    ConfigError
        If the space has no networks that can be quantized.
    """
    if set(precisions) <= {"fp32"}:
        return space
    chosen = sorted(set(precisions), key=("int8", "fp32").index)
    if space.vocabulary is not None:
        raise ConfigError(f"space.precisions: networks of {space} take tokens, which are not quantized; leave it out")
    try:
        is_file = space.onnx_file(np.zeros(space.n_choices, dtype=np.int8)) is not None
        space.input_shape  # noqa: B018
    except ConfigError as error:
        raise ConfigError(f"space.precisions: {error}") from None
    if is_file:
        raise ConfigError("space.precisions: ONNX files are taken as they are; put quantized ones beside them")
    return PreciseSpace(space, chosen)
