"""Depthwise-separable networks in one dimension, for windows of signals.

References
----------
Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", section 3.1:
depthwise-separable convolutions, here over time. Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and
Specialize it for Efficient Deployment", section 3.2: elastic depths, widths and kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Annotated

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option
from nagevo.spaces.base import SearchSpace, option_index
from nagevo.spaces.separable.layout import Block, Layout, reduced_size
from nagevo.spaces.separable.memory import memory_of

if TYPE_CHECKING:
    from torch import nn

PARTS = ("depth", "kernel", "width", "stride")
"""Choices of a stage, in the order of the text."""
Sizes = Sequence[Annotated[int, Option("", ge=1)]]


class Conv1dSpace(SearchSpace):
    """Stages of depthwise-separable convolutions over windows, each with its own depth, kernel, width and stride.

    Notes
    -----
    A layer is a depthwise convolution over time and a convolution with kernel 1, to which its input is added where the
    shapes agree. The choices are a depth for each stage, then the kernels, widths and strides; the text is
    ``d,…:k,…:w,…:s,…``, such as ``1,2,3:5,9,3:16,32,48:4,2,1``. The stride is that of the first layer of a stage.
    """

    def __init__(
        self,
        *,
        channels: Annotated[int, Option("Channels of a window.", ge=1)] = 3,
        length: Annotated[int, Option("Values of each channel in a window.", ge=1)] = 128,
        classes: Annotated[int, Option("Classes of the windows.", ge=2)] = 6,
        depths: Annotated[Sizes, Option("Numbers of layers among which each stage chooses.", min_length=1)] = (1, 2, 3),
        kernels: Annotated[
            Sizes, Option("Kernels among which each stage chooses; odd numbers.", "values", min_length=1)
        ] = (3, 5, 9),
        widths: Annotated[
            Sequence[Annotated[Sizes, Option("", min_length=1)]],
            Option("Channels among which each stage chooses: a list for each stage.", min_length=1),
        ] = ((8, 16, 24), (16, 32, 48), (24, 48, 96)),
        strides: Annotated[Sizes, Option("Strides among which each stage chooses.", min_length=1)] = (4, 2, 1),
        stem_width: Annotated[int, Option("Channels of the first convolution.", ge=1)] = 8,
        stem_kernel: Annotated[int, Option("Kernel of the first convolution; an odd number.", "values", ge=1)] = 5,
        stem_stride: Annotated[int, Option("Stride of the first convolution.", ge=1)] = 1,
        head_width: Annotated[int, Option("Channels before the mean over time.", ge=1)] = 64,
        dropout: Annotated[float, Option("Probability of dropping a feature before the classifier.", ge=0, lt=1)] = 0.0,
    ):
        self.channels, self.length, self.classes = channels, length, classes
        self.stem_width, self.stem_kernel, self.stem_stride = stem_width, stem_kernel, stem_stride
        self.head_width, self.dropout, self.stages = head_width, dropout, len(widths)
        self.options = {
            "depth": [np.unique(depths)] * self.stages,
            "kernel": [np.unique(kernels)] * self.stages,
            "width": [np.unique(each) for each in widths],
            "stride": [np.unique(strides)[::-1]] * self.stages,
        }
        self.n_options = tuple(len(options) for part in PARTS for options in self.options[part])
        self.choice_names = tuple(f"{part} of stage {stage + 1}" for part in PARTS for stage in range(self.stages))
        self.slots = int(max(depths))
        self._check()

    def _check(self) -> None:
        """Check that kernels have a center, and that windows are long enough for all strides to differ.

        Raises
        ------
        ConfigError
        """
        for name, kernels in (("kernels", self.options["kernel"][0]), ("stem_kernel", [self.stem_kernel])):
            even = [int(kernel) for kernel in kernels if kernel % 2 == 0]
            if even:
                raise ConfigError(f"space.{name}: expected odd numbers, got {even[0]}")
        least = self.stem_stride * prod(int(strides[0]) for strides in self.options["stride"])
        if least > self.length:
            raise ConfigError(f"space.length: expected {least} or more, the product of strides, got {self.length}")

    @property
    def input_shape(self) -> tuple[int, int]:
        """Shape (channels, length) of a window."""
        return self.channels, self.length

    def values(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return depth, kernel, width and stride of each stage: int64, each of shape (n, stages)."""
        columns = np.split(choices, len(PARTS), axis=1)
        return {
            part: np.column_stack([options[rows] for options, rows in zip(self.options[part], chosen.T, strict=True)])
            for part, chosen in zip(PARTS, columns, strict=True)
        }

    def to_text(self, choices: np.ndarray) -> list[str]:
        """Return ``d,…:k,…:w,…:s,…`` for each architecture."""
        values = self.values(choices)
        return [":".join(",".join(map(str, part)) for part in row) for row in zip(*values.values(), strict=True)]

    def words(self, choices: np.ndarray) -> list[str]:
        return [str(value) for part in self.values(choices[None]).values() for value in part[0]]

    def _parse(self, text: str) -> list[int]:
        parts = [[int(value) for value in part.split(",")] for part in text.split(":")]
        if [len(part) for part in parts] != [self.stages] * len(PARTS):
            raise ValueError(f"expected {self.stages} depths, kernels, widths and strides: d,…:k,…:w,…:s,…")
        return [
            option_index(f"{part} of stage {stage + 1}", value, self.options[part][stage])
            for part, values in zip(PARTS, parts, strict=True)
            for stage, value in enumerate(values)
        ]

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features that surrogates are fitted to.

        Returns
        -------
        ndarray of float32, shape (n, n_options of all choices + 2 stages + 3)
            The options one-hot; logarithms to base 10 of parameters and of multiply–accumulates of each stage
            (2 stages) and of the network (2); the number of layers (1).
        """
        costs, of_stages = self.costs(choices), self._stage_costs(choices)
        columns = [
            super().features(choices),
            *(np.log10(each) for each in of_stages),
            *(np.log10(each)[:, None] for each in costs.values()),
            self.values(choices)["depth"].sum(axis=1, keepdims=True),
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return trainable ``parameters`` and ``macs`` (of convolutions and classifier): int64, shape (n,)."""
        parameters, macs = (of_stages.sum(axis=1) for of_stages in self._stage_costs(choices))
        sizes, head = self._sizes(choices), self.head_width * self.values(choices)["width"][:, -1]
        stem, classifier = self.stem_width * self.stem_kernel * self.channels, self.head_width * self.classes
        normalizations = 2 * (self.stem_width + self.head_width)
        return {
            "parameters": parameters + stem + normalizations + head + classifier + self.classes,
            "macs": macs + stem * sizes[:, 0] + head * sizes[:, -1] + classifier,
        }

    def _stage_costs(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return parameters and multiply–accumulates of each stage, both int64 of shape (n, stages)."""
        values = self.values(choices)
        kernel, width, more = values["kernel"], values["width"], values["depth"] - 1
        before = np.column_stack([np.full(len(choices), self.stem_width), width[:, :-1]])
        weights = before * (kernel + width) + more * width * (kernel + width)
        normalizations = 2 * (before + width) + more * 4 * width
        return weights + normalizations, weights * self._sizes(choices)[:, 1:]

    def _sizes(self, choices: np.ndarray) -> np.ndarray:
        """Return the positions at the input of the first stage and at the output of each, shape (n, stages + 1)."""
        sizes = [np.full(len(choices), reduced_size(self.length, self.stem_stride))]
        for stride in self.values(choices)["stride"].T:
            sizes.append(-(-sizes[-1] // stride))
        return np.column_stack(sizes)

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        return memory_of([self.layout(row) for row in choices], precision)

    def network(self, choices: np.ndarray) -> nn.Module:
        from nagevo.spaces.separable.network import SeparableNetwork

        return SeparableNetwork(self.layout(choices))

    def supernet(self, *, kernel_transform: bool = True) -> nn.Module:
        from nagevo.spaces.separable.supernet import ElasticNetwork

        kernels = self.options["kernel"][0].tolist()
        largest = self.layout(self.extremes()[1])
        return ElasticNetwork(largest, self.layout, kernels=kernels, kernel_transform=kernel_transform)

    def layout(self, choices: np.ndarray) -> Layout:
        """Return the layers of one architecture; ``choices`` has shape (n_choices,)."""
        values = {part: each[0].tolist() for part, each in self.values(choices[None]).items()}
        blocks, slots, before = [], [], self.stem_width
        for stage, (depth, kernel, width, stride) in enumerate(zip(*values.values(), strict=True)):
            for slot in range(depth):
                blocks.append(Block(before, before, width, kernel, 1 if slot else stride, "relu", 0, dims=1))
                slots.append(stage * self.slots + slot)
                before = width
        return Layout(
            input_size=self.length,
            channels=self.channels,
            stem_width=self.stem_width,
            stem_kernel=self.stem_kernel,
            stem_stride=self.stem_stride,
            blocks=tuple(blocks),
            slots=tuple(slots),
            head_width=self.head_width,
            feature_width=0,
            classes=self.classes,
            dropout=self.dropout,
            activation="relu",
            dims=1,
        )
