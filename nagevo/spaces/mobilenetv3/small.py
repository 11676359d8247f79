"""A network made by hand, MobileNetV3-Small, at many widths: a baseline for searches.

References
----------
Howard et al. 2019, "Searching for MobileNetV3", table 2: the layers. Section 6.1 scales them by a width multiplier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from nagevo.foundation.options import Option
from nagevo.spaces.base import SearchSpace, option_index
from nagevo.spaces.images import Channels, Classes, height_and_width
from nagevo.spaces.mobilenetv3.layout import SQUEEZE_REDUCTION
from nagevo.spaces.separable.layout import Block, Layout, rounded_width
from nagevo.spaces.separable.memory import memory_of

if TYPE_CHECKING:
    from nagevo.spaces.separable.network import SeparableNetwork

WIDTHS = tuple(np.round(np.arange(0.05, 2.0001, 0.05), 2).tolist())
"""Width multipliers."""
STEM_WIDTH, HEAD_WIDTH, FEATURE_WIDTH = 16, 576, 1024
LAYERS = (
    (3, 16, 16, True, "relu", 0),
    (3, 72, 24, False, "relu", 1),
    (3, 88, 24, False, "relu", None),
    (5, 96, 40, True, "hswish", 2),
    (5, 240, 40, True, "hswish", None),
    (5, 240, 40, True, "hswish", None),
    (5, 120, 48, True, "hswish", None),
    (5, 144, 48, True, "hswish", None),
    (5, 288, 96, True, "hswish", 3),
    (5, 576, 96, True, "hswish", None),
    (5, 576, 96, True, "hswish", None),
)
"""Kernel, expanded width, width, whether it squeezes and excites, activation, and which of the strides it has."""


class MobileNetV3SmallSpace(SearchSpace):
    """MobileNetV3-Small at 40 width multipliers from 0.05 to 2.

    Notes
    -----
    The only choice is the width; the text is its multiplier, such as ``0.75``.
    """

    n_options = (len(WIDTHS),)
    choice_names = ("width multiplier",)

    def __init__(
        self,
        *,
        resolution: Annotated[
            Annotated[int, Option("", ge=8)]
            | Annotated[Sequence[Annotated[int, Option("", ge=8)]], Option("", min_length=2, max_length=2)],
            Option("Height and width of the images, a list where they differ.", "pixels"),
        ] = 224,
        channels: Channels = 3,
        classes: Classes = 1000,
        divisor: Annotated[int, Option("All widths are rounded to multiples of this number.", ge=1)] = 8,
        stem_stride: Annotated[Literal[1, 2], Option("Stride of the first convolution.")] = 2,
        strides: Annotated[
            Sequence[Literal[1, 2]],
            Option("Strides of layers 1, 2, 4 and 9.", min_length=4, max_length=4),
        ] = (2, 2, 2, 2),
        dropout: Annotated[float, Option("Probability of dropping a feature before the classifier.", ge=0, lt=1)] = 0.2,
    ):
        self.sides = height_and_width(resolution)
        self.channels, self.classes, self.divisor = channels, classes, divisor
        self.stem_stride, self.strides, self.dropout = stem_stride, tuple(strides), dropout

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.channels, *self.sides

    def to_text(self, choices: np.ndarray) -> list[str]:
        return [f"{WIDTHS[index]:.2f}" for (index,) in choices]

    def words(self, choices: np.ndarray) -> list[str]:
        return self.to_text(choices[None])

    def _parse(self, text: str) -> list[int]:
        return [option_index("width multiplier", float(text), WIDTHS)]

    def network(self, choices: np.ndarray) -> SeparableNetwork:
        from nagevo.spaces.separable.network import SeparableNetwork

        return SeparableNetwork(self.layout(choices))

    def layout(self, choices: np.ndarray) -> Layout:
        """Return the layers at one width; ``choices`` has shape (1,)."""
        multiplier = WIDTHS[choices[0]]

        def scaled(width: int) -> int:
            return rounded_width(width * multiplier, self.divisor)

        blocks, before = [], scaled(STEM_WIDTH)
        for kernel, hidden, width, squeezes, activation, stride in LAYERS:
            hidden_width = scaled(hidden)
            squeeze = rounded_width(hidden_width // SQUEEZE_REDUCTION, self.divisor) if squeezes else 0
            step = 1 if stride is None else self.strides[stride]
            blocks.append(Block(before, hidden_width, scaled(width), kernel, step, activation, squeeze))
            before = scaled(width)
        return Layout(
            input_size=self.sides,
            channels=self.channels,
            stem_width=scaled(STEM_WIDTH),
            stem_stride=self.stem_stride,
            blocks=tuple(blocks),
            head_width=scaled(HEAD_WIDTH),
            feature_width=scaled(FEATURE_WIDTH),
            classes=self.classes,
            dropout=self.dropout,
        )

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return trainable ``parameters`` and ``macs`` (of convolutions and classifier): int64, shape (n,)."""
        layouts = [self.layout(row) for row in choices]
        parameters, macs = [each.parameters for each in layouts], [each.macs for each in layouts]
        return {"parameters": np.array(parameters, dtype=np.int64), "macs": np.array(macs, dtype=np.int64)}

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        return memory_of([self.layout(row) for row in choices], precision)
