"""The MobileNetV3 space of Once-for-All and PNAG, for images of any size.

References
----------
Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
section 4.1: five stages of two to four layers, each with its own kernel size and expansion ratio.
Howard et al. 2019, "Searching for MobileNetV3", table 1: widths, strides, activations and squeeze-and-excite.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from nagevo.foundation.options import Option
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.mobilenetv3.layout import (
    DEPTHS,
    EXPANSIONS,
    KERNELS,
    N_SLOTS,
    N_STAGES,
    SLOTS,
    SQUEEZE_REDUCTION,
    Block,
    Layout,
    reduced_size,
    rounded_width,
)

if TYPE_CHECKING:
    from nagevo.spaces.mobilenetv3.network import MobileNetV3
    from nagevo.spaces.mobilenetv3.supernet import ElasticMobileNetV3


class MobileNetV3Space(SearchSpace):
    """Five stages of two to four inverted residual blocks with kernel 3/5/7 and expansion 3/4/6.

    The defaults are the ImageNet space of Once-for-All at width 1.2, which PNAG searches.

    Notes
    -----
    The 45 choices are five depths, then 20 kernels, then 20 expansions (four layer slots for each stage). The text is
    ``d×5:k×20:e×20`` with 0 for unused layers.
    """

    n_options = (3,) * (N_STAGES + 2 * N_SLOTS)
    choice_names = (
        *(f"depth of stage {stage}" for stage in range(1, N_STAGES + 1)),
        *(
            f"{what} of layer {slot} in stage {stage}"
            for what in ("kernel", "expansion")
            for stage in range(1, N_STAGES + 1)
            for slot in range(1, SLOTS + 1)
        ),
    )

    def __init__(
        self,
        *,
        resolution: Annotated[int, Option("Height and width of the images.", "pixels", ge=8)] = 224,
        channels: Annotated[Literal[1, 3], Option("Channels of the images: 1 for grey, 3 for color.")] = 3,
        classes: Annotated[int, Option("Classes of the images.", ge=2)] = 1000,
        width_multiplier: Annotated[float, Option("Factor of all widths.", gt=0)] = 1.2,
        divisor: Annotated[int, Option("All widths are rounded to its multiples.", ge=1)] = 8,
        stem_width: Annotated[int, Option("Channels of the first convolution.", ge=1)] = 16,
        stem_stride: Annotated[Literal[1, 2], Option("Stride of the first convolution.")] = 2,
        first_width: Annotated[int, Option("Channels of the first block.", ge=1)] = 16,
        stage_widths: Annotated[
            Sequence[Annotated[int, Option("", ge=1)]],
            Option("Channels of each stage.", min_length=5, max_length=5),
        ] = (24, 40, 80, 112, 160),
        strides: Annotated[
            Sequence[Literal[1, 2]],
            Option("Stride of the first layer of each stage.", min_length=5, max_length=5),
        ] = (2, 2, 2, 1, 2),
        activations: Annotated[
            Sequence[Literal["relu", "hswish"]],
            Option("Activation of each stage.", min_length=5, max_length=5),
        ] = ("relu", "relu", "hswish", "hswish", "hswish"),
        squeeze_excite: Annotated[
            Sequence[bool],
            Option("Which stages squeeze and excite.", min_length=5, max_length=5),
        ] = (False, True, False, True, True),
        head_width: Annotated[int, Option("Channels before global pooling.", ge=1)] = 960,
        feature_width: Annotated[int, Option("Channels after global pooling.", ge=1)] = 1280,
        dropout: Annotated[float, Option("Probability of dropping a feature before the classifier.", ge=0, lt=1)] = 0.1,
    ):
        def scaled(width: int) -> int:
            return rounded_width(width * width_multiplier, divisor)

        self.resolution, self.channels, self.classes = resolution, channels, classes
        self.divisor, self.stem_stride, self.dropout = divisor, stem_stride, dropout
        self.stem_width, self.first_width = scaled(stem_width), scaled(first_width)
        self.head_width, self.feature_width = scaled(head_width), scaled(feature_width)
        self.stage_widths, self.strides = tuple(map(scaled, stage_widths)), tuple(strides)
        self.activations, self.squeeze_excite = tuple(activations), tuple(map(bool, squeeze_excite))
        self._slot_parameters, self._slot_macs = self._slot_costs()

    @property
    def size(self) -> int:
        """Number of distinct architectures: a stage of depth d has 9^d."""
        of_a_stage = sum((len(KERNELS) * len(EXPANSIONS)) ** int(depth) for depth in DEPTHS)
        return of_a_stage**N_STAGES

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.channels, self.resolution, self.resolution

    def at(self, resolution: int) -> MobileNetV3Space:
        """Return the space of the same networks on images of another size, in pixels."""
        space = copy(self)
        space.resolution = resolution
        return space

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the architectures with the choices of unused layers set to 0."""
        return np.where(self._counts(choices), choices, 0).astype(np.int8)

    def used(self, choices: np.ndarray) -> np.ndarray:
        """Return which layer slots each architecture uses: bool, shape (n, 5, 4)."""
        return np.arange(SLOTS) < DEPTHS[choices[:, :N_STAGES]][:, :, None]

    def _counts(self, choices: np.ndarray) -> np.ndarray:
        """Return which choices matter: bool, shape (n, n_choices)."""
        used = self.used(choices).reshape(len(choices), N_SLOTS)
        return np.concatenate([np.ones((len(choices), N_STAGES), dtype=bool), used, used], axis=1)

    def to_text(self, choices: np.ndarray) -> list[str]:
        """Return ``d,d,d,d,d:k×20:e×20`` for each architecture."""
        depths, kernels, expansions = np.split(choices, [N_STAGES, N_STAGES + N_SLOTS], axis=1)
        used = self.used(choices).reshape(len(choices), N_SLOTS)
        parts = DEPTHS[depths], KERNELS[kernels] * used, EXPANSIONS[expansions] * used
        return [":".join(",".join(map(str, part)) for part in row) for row in zip(*parts, strict=True)]

    def _parse(self, text: str) -> list[int]:
        parts = [[int(value) for value in part.split(",")] for part in text.split(":")]
        if [len(part) for part in parts] != [N_STAGES, N_SLOTS, N_SLOTS]:
            raise ValueError(f"expected {N_STAGES} depths, {N_SLOTS} kernels and {N_SLOTS} expansions: d,…:k,…:e,…")
        depths, kernels, expansions = parts
        used = [slot < depth for depth in depths for slot in range(SLOTS)]
        return [
            *(_index("depth", depth, DEPTHS, used=True) for depth in depths),
            *(_index("kernel", kernel, KERNELS, used=use) for kernel, use in zip(kernels, used, strict=True)),
            *(_index("expansion", value, EXPANSIONS, used=use) for value, use in zip(expansions, used, strict=True)),
        ]

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return what surrogates see.

        Returns
        -------
        ndarray of float32, shape (n, 147)
            Kernels and expansions as one-hot triples (120, all zero for unused layers, as PNAG encodes them), depths as
            one-hot triples (15), the number of layers (1), and logarithms to base 10 of the parameters and of the
            multiply–accumulates of each stage (10) and of the multiply–accumulates of the network (1).
        """
        canonical = self.canonical(choices)
        one_hot = canonical[:, :, None] == np.arange(3)  # (n, 45, 3)
        one_hot &= self._counts(canonical)[:, :, None]
        of_layers, of_depths = one_hot[:, N_STAGES:], one_hot[:, :N_STAGES]
        stages = self._stage_costs(canonical)
        columns = [
            of_layers.reshape(len(choices), 3 * 2 * N_SLOTS),
            of_depths.reshape(len(choices), 3 * N_STAGES),
            self.used(canonical).sum(axis=(1, 2))[:, None],
            *(np.log10(stage) for stage in stages),
            np.log10(self.costs(canonical)["macs"])[:, None],
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def mutate(self, choices: np.ndarray, *, rng: np.random.Generator, rate: float | None = None) -> np.ndarray:
        """Return each architecture with every choice redrawn with probability ``rate``; added layers are drawn anew."""
        drawn = rng.integers(0, self.n_options, size=choices.shape, dtype=np.int8)
        return super().mutate(np.where(self._counts(choices), choices, drawn), rng=rng, rate=rate)

    def crossover(self, first: np.ndarray, second: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
        """Return a child of each pair of rows; a layer that only one parent uses comes from that parent."""
        completed_first = np.where(self._counts(first), first, second)
        completed_second = np.where(self._counts(second), second, first)
        return super().crossover(completed_first, completed_second, rng=rng)

    def network(self, choices: np.ndarray) -> MobileNetV3:
        from nagevo.spaces.mobilenetv3.network import MobileNetV3

        return MobileNetV3(self.layout(choices))

    def supernet(self, *, kernel_transform: bool = True) -> ElasticMobileNetV3:
        from nagevo.spaces.mobilenetv3.supernet import ElasticMobileNetV3

        return ElasticMobileNetV3(self, kernel_transform=kernel_transform)

    def layout(self, choices: np.ndarray) -> Layout:
        """Return the layers of one architecture; ``choices`` has shape (n_choices,)."""
        kernels, expansions = choices[N_STAGES:].reshape(2, N_STAGES, SLOTS)
        blocks = [
            self.block(stage, slot, KERNELS[kernels[stage, slot]], EXPANSIONS[expansions[stage, slot]])
            for stage, slot in np.argwhere(self.used(choices[None])[0])
        ]
        return Layout(
            channels=self.channels,
            stem_width=self.stem_width,
            stem_stride=self.stem_stride,
            blocks=(self.first_block, *blocks),
            head_width=self.head_width,
            feature_width=self.feature_width,
            classes=self.classes,
            dropout=self.dropout,
        )

    @property
    def first_block(self) -> Block:
        """The block between stem and first stage: kernel 3, no expansion, the same in all architectures."""
        return Block(self.stem_width, self.stem_width, self.first_width, 3, 1, "relu", 0)

    def block(self, stage: int, slot: int, kernel: int, expansion: int) -> Block:
        """Return the block of one layer slot (both counted from 0)."""
        before = self.stage_widths[stage] if slot else (self.first_width, *self.stage_widths)[stage]
        hidden = rounded_width(before * int(expansion), self.divisor)
        squeeze = rounded_width(hidden // SQUEEZE_REDUCTION, self.divisor) if self.squeeze_excite[stage] else 0
        stride = 1 if slot else self.strides[stage]
        return Block(before, hidden, self.stage_widths[stage], int(kernel), stride, self.activations[stage], squeeze)

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return trainable ``parameters`` and ``macs`` (of convolutions and classifier): int64, shape (n,)."""
        parameters, macs = self._stage_costs(choices)
        fixed_parameters, fixed_macs = self._fixed_costs()
        return {"parameters": fixed_parameters + parameters.sum(axis=1), "macs": fixed_macs + macs.sum(axis=1)}

    def _stage_costs(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return parameters and multiply–accumulates of each stage, both int64 of shape (n, 5)."""
        kernels, expansions = np.split(choices[:, N_STAGES:], 2, axis=1)
        used = self.used(choices)
        costs = (table[np.arange(N_SLOTS), kernels, expansions] for table in (self._slot_parameters, self._slot_macs))
        parameters, macs = ((cost.reshape(used.shape) * used).sum(axis=2) for cost in costs)
        return parameters, macs

    def _slot_costs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return parameters and multiply–accumulates of every layer that a slot can hold, both of shape (20, 3, 3).

        They depend on nothing outside the slot, since the widths between layers are fixed.
        """
        parameters = np.empty((N_SLOTS, len(KERNELS), len(EXPANSIONS)), dtype=np.int64)
        macs = np.empty_like(parameters)
        for i, k, e in np.ndindex(parameters.shape):
            stage, slot = divmod(i, SLOTS)
            size = self.resolution_of_stages[stage + 1 if slot else stage]
            block = self.block(stage, slot, KERNELS[k], EXPANSIONS[e])
            parameters[i, k, e], macs[i, k, e] = block.parameters, block.macs(size)
        return parameters, macs

    def _fixed_costs(self) -> tuple[int, int]:
        """Return parameters and multiply–accumulates of what all architectures share: stem, first block and head."""
        smallest = self.extremes()[:1]
        layout = self.layout(smallest[0])
        parameters, macs = self._stage_costs(smallest)
        return layout.parameters - int(parameters.sum()), layout.macs(self.resolution) - int(macs.sum())

    @property
    def resolution_of_stages(self) -> tuple[int, ...]:
        """Height (and width) in pixels at the input of the first stage and at the output of each, length 6."""
        sizes = [reduced_size(self.resolution, self.stem_stride)]
        for stride in self.strides:
            sizes.append(reduced_size(sizes[-1], stride))
        return tuple(sizes)


def _index(what: str, value: int, options: np.ndarray, *, used: bool) -> int:
    """Return the index of a value; 0 stands for whatever an unused layer would have."""
    if not used and value == 0:
        return 0
    found = np.flatnonzero(options == value)
    if not len(found):
        raise ValueError(f"{what} {value} is not one of {', '.join(map(str, options))}")
    return int(found[0])
