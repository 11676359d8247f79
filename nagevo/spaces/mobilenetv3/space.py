"""The MobileNetV3 space of Once-for-All and PNAG, for images of any size.

References
----------
Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
section 4.1: five stages of two to four layers, each with its own kernel size and expansion ratio.
Howard et al. 2019, "Searching for MobileNetV3", table 1: widths, strides, activations and squeeze-and-excite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option
from nagevo.spaces.base import SearchSpace, option_index
from nagevo.spaces.images import Channels, Classes, height_and_width
from nagevo.spaces.mobilenetv3.elastic import Elastic
from nagevo.spaces.mobilenetv3.layout import (
    DEPTHS,
    EXPANSIONS,
    KERNELS,
    N_LAYER_CHOICES,
    N_SLOTS,
    N_STAGES,
    SLOTS,
    SQUEEZE_REDUCTION,
    Widths,
)
from nagevo.spaces.separable.layout import Block, Layout, reduced_sizes, rounded_width
from nagevo.spaces.separable.memory import memory_of
from nagevo.spaces.suffixes import joined, split

if TYPE_CHECKING:
    from torch import nn

Number = TypeVar("Number", int, float)
LAYER_OPTIONS = (3,) * N_LAYER_CHOICES
LAYER_ENDS = [N_STAGES, N_STAGES + N_SLOTS, N_LAYER_CHOICES]
"""Where depths, kernels and expansions end among the choices."""
LAYER_NAMES = (
    *(f"depth of stage {stage}" for stage in range(1, N_STAGES + 1)),
    *(
        f"{what} of layer {slot} in stage {stage}"
        for what in ("kernel", "expansion")
        for stage in range(1, N_STAGES + 1)
        for slot in range(1, SLOTS + 1)
    ),
)


class MobileNetV3Space(SearchSpace):
    """Five stages of two to four inverted residual blocks with kernel 3/5/7 and expansion 3/4/6.

    The defaults are the ImageNet space of Once-for-All at width 1.2, which PNAG searches.

    Notes
    -----
    The first 45 choices are five depths, then 20 kernels, then 20 expansions (four layer slots for each stage); then
    come the resolution and the width multipliers, where there is a choice. The text is ``d×5:k×20:e×20`` with 0 for
    unused layers, then ``@r176`` unless the resolution is ``resolution``, then ``@w0.75``, or ``@w0.75,1,…`` with a
    multiplier for each stage, unless all are 1. With ``widths_by: stage`` the first convolution and the first block
    have the multiplier of stage 1, the layers behind the stages that of stage 5.

    References
    ----------
    Yu et al. 2020, "BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage Models", table 1, and Wang et
    al. 2021, "AttentiveNAS: Improving Neural Architecture Search via Attentive Sampling", table 7: spaces whose
    architectures choose resolution and widths.
    """

    def __init__(
        self,
        *,
        resolution: Annotated[
            Annotated[int, Option("", ge=8)]
            | Annotated[Sequence[Annotated[int, Option("", ge=8)]], Option("", min_length=2, max_length=2)]
            | None,
            Option(
                "Height and width of the images, a list where they differ; null for the largest of `resolutions`, or"
                " 224.",
                "pixels",
            ),
        ] = None,
        resolutions: Annotated[
            Sequence[Annotated[int, Option("", ge=8)]],
            Option("Resolutions among which an architecture chooses; if empty, all have `resolution`.", "pixels"),
        ] = (),
        channels: Channels = 3,
        classes: Classes = 1000,
        width_multiplier: Annotated[float, Option("Factor of all widths.", gt=0)] = 1.2,
        widths: Annotated[
            Sequence[Annotated[float, Option("", gt=0)]],
            Option(
                "Width multipliers, beside `width_multiplier`, among which an architecture chooses; if empty, "
                "all have 1."
            ),
        ] = (),
        widths_by: Annotated[
            Literal["network", "stage"],
            Option("Whether an architecture chooses one of `widths` for the whole network, or one for each stage."),
        ] = "network",
        divisor: Annotated[int, Option("All widths are rounded to multiples of this number.", ge=1)] = 8,
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
        height, width = height_and_width(resolution or max(resolutions, default=224))
        if height != width and resolutions:
            raise ConfigError("space.resolutions: expected none where height and width differ")
        self.resolution, self.rectangle = height, None if height == width else (height, width)
        multipliers = _options(widths, 1.0)
        full = Widths(stem_width, first_width, tuple(stage_widths), head_width, feature_width)
        self.elastic = Elastic(
            resolutions=_options(resolutions, self.resolution),
            default=self.resolution,
            multipliers=multipliers,
            widths=tuple(full.scaled(width_multiplier * factor, divisor) for factor in multipliers),
            by_stage=widths_by == "stage",
        )
        self.channels, self.classes = channels, classes
        self.divisor, self.stem_stride, self.dropout = divisor, stem_stride, dropout
        self.strides = tuple(strides)
        self.activations, self.squeeze_excite = tuple(activations), tuple(map(bool, squeeze_excite))
        self.resolutions = self.elastic.resolutions
        self.n_options = (*LAYER_OPTIONS, *self.elastic.options.values())
        self.choice_names = (*LAYER_NAMES, *self.elastic.options)
        self.groups = (len(LAYER_OPTIONS), *self.elastic.groups)

    @property
    def size(self) -> int:
        """Number of distinct architectures: a stage of depth d has 9^d."""
        of_a_stage = sum((len(KERNELS) * len(EXPANSIONS)) ** int(depth) for depth in DEPTHS)
        return of_a_stage**N_STAGES * self.elastic.size

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape (channels, height, width) of the largest images that an architecture can take."""
        return self.channels, *self._sides(self.resolutions[-1])

    def input_shape_of(self, choices: np.ndarray) -> tuple[int, int, int]:
        return self.channels, *self._sides(self.resolution_of(choices[None]).tolist()[0])

    def _sides(self, resolution: int) -> tuple[int, int]:
        """Return height and width of the images at one of the resolutions."""
        return self.rectangle or (resolution, resolution)

    def resolution_of(self, choices: np.ndarray) -> np.ndarray:
        """Return the resolution of each architecture in pixels, shape (n,)."""
        return np.array(self.resolutions)[self.elastic.resolution(choices)]

    def at(self, resolution: int) -> MobileNetV3Space:
        """Return the space of the same networks on images of another size, in pixels; only where all have one size."""
        space = copy(self)
        space.resolution, space.resolutions = resolution, (resolution,)
        space.elastic = replace(self.elastic, resolutions=space.resolutions, default=resolution)
        space.__dict__.pop("_costs", None)
        return space

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the architectures with the choices of unused layers set to 0, and the least of equal widths."""
        return self.elastic.canonical(np.where(self._counts(choices), choices, 0)).astype(np.int8)

    def used(self, choices: np.ndarray) -> np.ndarray:
        """Return which layer slots each architecture uses: bool, shape (n, 5, 4)."""
        return np.arange(SLOTS) < DEPTHS[choices[:, :N_STAGES]][:, :, None]

    def _counts(self, choices: np.ndarray) -> np.ndarray:
        """Return which choices matter: bool, shape (n, n_choices)."""
        counts = np.ones(choices.shape, dtype=bool)
        used = self.used(choices).reshape(len(choices), N_SLOTS)
        counts[:, N_STAGES:N_LAYER_CHOICES] = np.concatenate([used, used], axis=1)
        return counts

    def to_text(self, choices: np.ndarray) -> list[str]:
        """Return ``d,d,d,d,d:k×20:e×20`` for each architecture, with suffixes for resolution and widths."""
        depths, kernels, expansions, _ = np.split(choices, LAYER_ENDS, axis=1)
        used = self.used(choices).reshape(len(choices), N_SLOTS)
        parts = DEPTHS[depths], KERNELS[kernels] * used, EXPANSIONS[expansions] * used
        layers = [":".join(",".join(map(str, part)) for part in row) for row in zip(*parts, strict=True)]
        return [joined(text, found) for text, found in zip(layers, self.elastic.suffixes(choices), strict=True)]

    def words(self, choices: np.ndarray) -> list[str]:
        depths, kernels, expansions, elastic = np.split(choices, LAYER_ENDS)
        layers = [*DEPTHS[depths], *KERNELS[kernels], *EXPANSIONS[expansions]]
        counts = self._counts(choices[None])[0, :N_LAYER_CHOICES]
        return [
            *(str(value) if count else "–" for value, count in zip(layers, counts, strict=True)),
            *self.elastic.words(elastic),
        ]

    def _parse(self, text: str) -> list[int]:
        layers, suffixes = split(text, "rw")
        parts = [[int(value) for value in part.split(",")] for part in layers.split(":")]
        if [len(part) for part in parts] != [N_STAGES, N_SLOTS, N_SLOTS]:
            raise ValueError(f"expected {N_STAGES} depths, {N_SLOTS} kernels and {N_SLOTS} expansions: d,…:k,…:e,…")
        depths, kernels, expansions = parts
        used = [slot < depth for depth in depths for slot in range(SLOTS)]
        return [
            *(_index("depth", depth, DEPTHS, used=True) for depth in depths),
            *(_index("kernel", kernel, KERNELS, used=use) for kernel, use in zip(kernels, used, strict=True)),
            *(_index("expansion", value, EXPANSIONS, used=use) for value, use in zip(expansions, used, strict=True)),
            *self.elastic.parse(suffixes),
        ]

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features that surrogates are fitted to.

        Returns
        -------
        ndarray of float32, shape (n, 147 + n_elastic)
            Kernels and expansions as one-hot triples (120, all zero for unused layers, as PNAG encodes them), depths as
            one-hot triples (15), the number of layers (1), and logarithms to base 10 of the parameters and of the
            multiply–accumulates of each stage (10) and of the multiply–accumulates of the network (1). Where they are
            chosen, logarithms to base 2 of the resolution (1) and of the width multipliers (1 or 5).
        """
        canonical = self.canonical(choices)
        one_hot = canonical[:, :N_LAYER_CHOICES, None] == np.arange(3)  # (n, 45, 3)
        one_hot &= self._counts(canonical)[:, :N_LAYER_CHOICES, None]
        of_layers, of_depths = one_hot[:, N_STAGES:], one_hot[:, :N_STAGES]
        columns = [
            of_layers.reshape(len(choices), 3 * 2 * N_SLOTS),
            of_depths.reshape(len(choices), 3 * N_STAGES),
            self.used(canonical).sum(axis=(1, 2))[:, None],
            *(np.log10(stage) for stage in self._stage_costs(canonical)),
            np.log10(self.costs(canonical)["macs"])[:, None],
            *self.elastic.features(canonical),
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

    def network(self, choices: np.ndarray) -> nn.Module:
        from nagevo.spaces.separable.network import SeparableNetwork

        return SeparableNetwork(self.layout(choices))

    def supernet(self, *, kernel_transform: bool = True) -> nn.Module:
        from nagevo.spaces.separable.supernet import ElasticNetwork

        largest = self.layout(self.extremes()[1])
        return ElasticNetwork(largest, self.layout, kernels=KERNELS.tolist(), kernel_transform=kernel_transform)

    def layout(self, choices: np.ndarray) -> Layout:
        """Return the layers of one architecture; ``choices`` has shape (n_choices,)."""
        kernels, expansions = choices[N_STAGES:N_LAYER_CHOICES].reshape(2, N_STAGES, SLOTS)
        factors, used = self.elastic.multiplier(choices[None])[0], self.used(choices[None])[0]
        before = self.elastic.before(factors[None])[0]
        blocks = [
            self._block(stage, slot, before[stage, slot], factors[stage], kernels[stage, slot], expansions[stage, slot])
            for stage, slot in np.argwhere(used)
        ]
        first, last = self.elastic.widths[factors[0]], self.elastic.widths[factors[-1]]
        return Layout(
            input_size=self.rectangle or self.input_shape_of(choices)[-1],
            channels=self.channels,
            stem_width=first.stem,
            stem_stride=self.stem_stride,
            blocks=(Block(first.stem, first.stem, first.first, 3, 1, "relu", 0), *blocks),
            slots=tuple(np.flatnonzero(used).tolist()),
            head_width=last.head,
            feature_width=last.feature,
            classes=self.classes,
            dropout=self.dropout,
        )

    def _block(self, stage: int, slot: int, before: int, own: int, kernel: int, expansion: int) -> Block:
        """Return the block of one layer slot (both counted from 0), all else given by places among the options.

        ``before`` is the place of the width multiplier of the layer that it reads.
        """
        in_widths = self.elastic.widths[before]
        in_width = in_widths.stages[stage if slot else stage - 1] if slot or stage else in_widths.first
        out_width = self.elastic.widths[own].stages[stage]
        hidden = rounded_width(in_width * int(EXPANSIONS[expansion]), self.divisor)
        squeeze = rounded_width(hidden // SQUEEZE_REDUCTION, self.divisor) if self.squeeze_excite[stage] else 0
        stride = 1 if slot else self.strides[stage]
        return Block(in_width, hidden, out_width, int(KERNELS[kernel]), stride, self.activations[stage], squeeze)

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return trainable ``parameters`` and ``macs`` (of convolutions and classifier): int64, shape (n,)."""
        _, ends = self._costs
        of_stages = self._stage_costs(choices)
        of_ends = (self.of_ends(table, choices) for table in ends)
        totals = (stages.sum(axis=1) + rest for stages, rest in zip(of_stages, of_ends, strict=True))
        return dict(zip(("parameters", "macs"), totals, strict=True))

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        return memory_of([self.layout(row) for row in choices], precision)

    def _stage_costs(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return parameters and multiply–accumulates of each stage, both int64 of shape (n, 5)."""
        slots, _ = self._costs
        shape = len(choices), N_STAGES, SLOTS
        parameters, macs = (self.of_slots(table, choices).reshape(shape).sum(axis=2) for table in slots)
        return parameters, macs

    @cached_property
    def _costs(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Parameters and multiply–accumulates of all that slots can hold, and of all that surrounds the stages."""

        def parameters(layout: Layout) -> int:
            return layout.parameters - sum(block.parameters for block in layout.blocks[1:])

        def macs(layout: Layout) -> int:
            inside = zip(layout.blocks[1:], layout.sizes[1:], strict=False)
            return layout.macs - sum(block.macs(size) for block, size in inside)

        of_slots = (
            self.table_of_slots(lambda resolution, block, size: block.parameters, int),
            self.table_of_slots(lambda resolution, block, size: block.macs(size), int),
        )
        return of_slots, (self.table_of_ends(parameters, int), self.table_of_ends(macs, int))

    def slot_blocks(self) -> Iterator[tuple[tuple[int, ...], int, Block, Any]]:
        """Yield for each block its index in :meth:`table_of_slots`, the resolution, the block and its input's height.

        A block depends only on its slot, the width multipliers of its layer and of the one before, its kernel and its
        expansion; the height of its input depends on the resolution too. Sums over a table therefore give the costs, or
        the latencies, of any architecture.
        """
        n_widths = len(self.elastic.multipliers)
        for i, resolution in enumerate(self.resolutions):
            strides = self.stem_stride, *self.strides
            sizes: tuple[Any, ...] = reduced_sizes(self.rectangle or resolution, strides)  # of stages 1, 2, …; the end
            for slot, before, own, k, e in np.ndindex(N_SLOTS, n_widths, n_widths, len(KERNELS), len(EXPANSIONS)):
                stage, layer = divmod(slot, SLOTS)
                if before == own or (self.elastic.by_stage and layer == 0 and stage > 0):
                    size = sizes[stage + 1 if layer else stage]
                    yield (i, slot, before, own, k, e), resolution, self._block(stage, layer, before, own, k, e), size

    def table_of_slots(self, value: Callable[[int, Block, Any], float], dtype: type = float) -> np.ndarray:
        """Return a value of each block that a slot can hold.

        Parameters
        ----------
        value : callable
            From the resolution of the images, the block, and the height of its input.
        dtype : type
            Type of the values.

        Returns
        -------
        ndarray, shape (n_resolutions, 20, n_multipliers, n_multipliers, 3, 3)
            By resolution, slot, width multiplier of the layer before and of its own, kernel and expansion.
        """
        shape = len(self.resolutions), N_SLOTS, *[len(self.elastic.multipliers)] * 2, len(KERNELS), len(EXPANSIONS)
        table: np.ndarray = np.zeros(shape, dtype=dtype)
        for index, resolution, block, size in self.slot_blocks():
            table[index] = value(resolution, block, size)
        return table

    def of_slots(self, table: np.ndarray, choices: np.ndarray) -> np.ndarray:
        """Return the entry of such a table for each slot of each architecture, 0 for unused ones, shape (n, 20)."""
        kernels, expansions = np.split(choices[:, N_STAGES:N_LAYER_CHOICES], 2, axis=1)
        factors = self.elastic.multiplier(choices)
        before = self.elastic.before(factors).reshape(len(choices), N_SLOTS)
        own = np.repeat(factors, SLOTS, axis=1)
        resolution = self.elastic.resolution(choices)[:, None]
        used = self.used(choices).reshape(len(choices), N_SLOTS)
        return table[resolution, np.arange(N_SLOTS), before, own, kernels, expansions] * used

    def ends(self) -> Iterator[tuple[tuple[int, int, int], Layout]]:
        """Yield for each entry of :meth:`table_of_ends` its index and a layout with these layers outside the stages."""
        smallest = np.zeros(self.n_choices, dtype=np.int8)
        n_widths, elastic = len(self.elastic.multipliers), len(self.resolutions) > 1
        for resolution, first, last in np.ndindex(len(self.resolutions), n_widths, n_widths):
            if first != last and not self.elastic.by_stage:
                continue
            row = smallest.copy()
            if elastic:
                row[N_LAYER_CHOICES] = resolution
            if n_widths > 1:
                row[N_LAYER_CHOICES + elastic], row[-1] = first, last
            yield (resolution, first, last), self.layout(row)

    def table_of_ends(self, value: Callable[[Layout], float], dtype: type = float) -> np.ndarray:
        """Return a value of each combination of layers outside the stages, computed from a layout with them.

        Returns
        -------
        ndarray, shape (n_resolutions, n_multipliers, n_multipliers)
            By resolution and width multiplier of the first and of the last stage.
        """
        table: np.ndarray = np.zeros((len(self.resolutions), *[len(self.elastic.multipliers)] * 2), dtype=dtype)
        for index, layout in self.ends():
            table[index] = value(layout)
        return table

    def of_ends(self, table: np.ndarray, choices: np.ndarray) -> np.ndarray:
        """Return the entry of such a table for each architecture, shape (n,)."""
        factors = self.elastic.multiplier(choices)
        return table[self.elastic.resolution(choices), factors[:, 0], factors[:, -1]]


def _options(values: Sequence[Number], default: Number) -> tuple[Number, ...]:
    """Return the different values in order, or the default where there are none."""
    return tuple(sorted(set(values))) or (default,)


def _index(what: str, value: float, options: np.ndarray, *, used: bool) -> int:
    """Return the index of a value; 0 stands for whatever an unused layer would have."""
    return option_index(what, value, options) if used or value else 0
