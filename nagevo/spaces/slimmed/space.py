"""The slimmer versions of a trained network: fewer channels and heads, blocks left out, smaller images."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.files import one_line
from nagevo.foundation.options import EMPTY, Option
from nagevo.foundation.registry import Kind
from nagevo.spaces.base import SearchSpace, option_index
from nagevo.spaces.memory import PEAK, WEIGHTS, Memory

if TYPE_CHECKING:
    from torch import nn

    from nagevo.spaces.slimmed.costs import Weight
    from nagevo.spaces.slimmed.cutting import Axis, Cut, Part
    from nagevo.spaces.slimmed.structure import Structure
    from nagevo.spaces.slimmed.supernet import SlimmedSupernet
    from nagevo.spaces.traced import Operation, Trace

LARGEST_COMPONENT = 20
"""Maximum number of blocks whose combinations are counted one by one."""


class ShareChoice(NamedTuple):
    """A choice of the share of their units that some parts keep.

    Attributes
    ----------
    options : tuple of float
        In increasing order.
    parts : list of (Part, tuple of int)
        Each with how many of its units it keeps at each option.
    """

    options: tuple[float, ...]
    parts: list[tuple[Part, tuple[int, ...]]]


class SlimmedSpace(SearchSpace):
    """Every slimmer version of one trained network.

    From one traced pass it finds which channels must shrink together, which attention heads and which residual blocks
    can go. The least important channels go first: those with the smallest norm of the weights that belong to them. Each
    part is checked against the original network (see :func:`nagevo.spaces.slimmed.structure.find_structure`); what
    cannot be slimmed is left whole, and :attr:`whole` says why.

    Notes
    -----
    The choices are the kept share of each part, then whether each block stays, then the resolution. Where there would
    be more than ``most_choices``, parts of one stage are tied: they have as many positions and the same width, or if
    that does not do, as many positions. The text is ``shares:blocks``, such as ``0.5,1,0.25:1,0``, followed by ``@r``
    and the resolution where it is not the largest.
    """

    def __init__(
        self,
        *,
        model: Annotated[str, Option("Function or class that builds the network, as `package.module:function`.")],
        input_shape: Annotated[
            Sequence[Annotated[int, Option("", ge=1)]],
            Option("Shape of an input without the batch, such as `[3, 32, 32]`.", min_length=1, max_length=4),
        ],
        weights: Annotated[
            str | os.PathLike | None,
            Option("Trained weights: a state dict, as `.safetensors` or as torch saves it.", path=True),
        ] = None,
        options: Annotated[Mapping[str, Any], Option("Arguments of the function.")] = EMPTY,
        shares: Annotated[
            Sequence[Annotated[float, Option("", gt=0, le=1)]],
            Option("Shares of its channels that a part may keep; 1 is always among them.", min_length=1),
        ] = (0.25, 0.5, 0.75, 1.0),
        round_to: Annotated[int, Option("Numbers of kept channels are rounded to multiples of this number.", ge=1)] = 8,
        blocks: Annotated[bool, Option("Whether residual blocks can be left out.")] = True,
        resolutions: Annotated[
            Sequence[Annotated[int, Option("", ge=4)]],
            Option("Heights and widths of the images among which architectures choose.", "pixels"),
        ] = (),
        most_choices: Annotated[
            int, Option("Maximum number of choices; if there would be more, the parts of a stage share one.", ge=1)
        ] = 40,
    ):
        self.model, self.weights, self.options = model, weights, dict(options)
        self.shares = tuple(sorted({*map(float, shares), 1.0}))
        self.round_to, self.leaves_out, self.most_choices = round_to, blocks, most_choices
        self._shape = tuple(int(size) for size in input_shape)
        self.resolutions = tuple(sorted(resolutions))
        if self.resolutions and len(self._shape) != 3:
            raise ConfigError(f"space.resolutions: expected none for inputs of shape {list(self._shape)}")
        if self.resolutions:
            self._shape = (self._shape[0], self.resolutions[-1], self.resolutions[-1])

    def trained(self) -> nn.Module:
        """Return the user's network with its weights, in evaluation mode.

        Raises
        ------
        ConfigError
            If it cannot be built.
        DataError
            If its weights are absent, damaged or of another network.
        """
        import torch

        from nagevo.spaces.weights import read_state

        build = Kind("space.model", {}).resolve(self.model)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            try:
                network = build(**self.options)
            except TypeError as error:
                raise ConfigError(f"space.options: {self.model} does not take them: {error}") from None
        if not isinstance(network, torch.nn.Module):
            raise ConfigError(f"space.model: expected a torch module from {self.model}, got {type(network).__name__}")
        if self.weights is not None:
            try:
                network.load_state_dict(read_state(self.weights))
            except RuntimeError as error:
                reason = one_line(error)[:200]
                raise DataError(f"weights {self.weights} are not those of {self.model}: {reason}") from None
        return network.eval()

    @cached_property
    def structure(self) -> Structure:
        """The network with the parts that can be removed, found when first needed."""
        from nagevo.spaces.slimmed.structure import find_structure

        network = self.trained()
        try:
            structure = find_structure(network, self._shape)
        except ValueError as error:
            raise ConfigError(f"space.model: {self.model}: {error}") from None
        if not structure.parts and not (structure.blocks and self.leaves_out) and len(self.resolutions) < 2:
            reasons = "; ".join(structure.whole) or "it has neither channels nor blocks that are independent"
            raise ConfigError(f"space.model: no part of {self.model} can be removed: {reasons}"[:500])
        return structure

    @property
    def whole(self) -> tuple[str, ...]:
        """One sentence for each part of the network that is left as it is."""
        return self.structure.whole

    @property
    def classes(self) -> int:
        """Outputs of the network."""
        return self.structure.classes

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._shape

    def input_shape_of(self, choices: np.ndarray) -> tuple[int, ...]:
        if len(self.resolutions) < 2:
            return self._shape
        size = self.resolutions[int(choices[-1])]
        return self._shape[0], size, size

    @cached_property
    def _choices(self) -> list[ShareChoice]:
        """The choices of shares; of shares that keep as many units, only the largest is an option."""
        keys: tuple[Callable[[Part], Any], ...] = (
            lambda part: part.name,
            lambda part: (part.is_attention, part.size, part.positions),
            lambda part: (part.is_attention, part.positions),
        )
        for key in keys:
            tied: dict[Any, list[Part]] = {}
            for part in self.structure.parts:
                tied.setdefault(key(part), []).append(part)
            if len(tied) + len(self._blocks) <= self.most_choices:
                break
        found = []
        for parts in tied.values():
            kept = {share: tuple(self._kept(part, share) for part in parts) for share in self.shares}
            options = tuple(sorted({units: share for share, units in kept.items()}.values()))
            if len(options) > 1:
                units = zip(*(kept[share] for share in options), strict=True)
                found.append(ShareChoice(options, list(zip(parts, units, strict=True))))
        return found

    def _kept(self, part: Part, share: float) -> int:
        """Return how many units of a part a share keeps."""
        if share == 1:
            return part.size
        multiple = 1 if part.is_attention else max(1, self.round_to // part.channels_per_unit)
        return min(part.size, max(multiple, round(share * part.size / multiple) * multiple))

    @cached_property
    def _blocks(self) -> list[tuple[str, ...]]:
        """The blocks that each choice leaves out together: one, or neighbors where there are very many."""
        blocks = self.structure.blocks if self.leaves_out else ()
        together = -(-len(blocks) // max(1, self.most_choices // 2))
        return [tuple(blocks[first : first + together]) for first in range(0, len(blocks), max(together, 1))]

    @cached_property
    def _inside(self) -> list[frozenset[int]]:
        """For each choice of a share, the choices of blocks that hold all its parts; empty where a part is outside."""
        found: list[frozenset[int]] = []
        for choice in self._choices:
            holders = {self._block_of(part) for part, _ in choice.parts}
            found.append(frozenset() if -1 in holders else frozenset(holders))
        return found

    def _block_of(self, part: Part) -> int:
        """Return the choice of blocks that holds a part; -1 where the part is outside."""
        for number, blocks in enumerate(self._blocks):
            inside = tuple(f"{block}." for block in blocks)
            if all(name.startswith(inside) for name, _ in part.units):
                return number
        return -1

    @cached_property
    def n_options(self) -> tuple[int, ...]:  # type: ignore[override]
        """Number of options of each choice."""
        resolutions = [len(self.resolutions)] if len(self.resolutions) > 1 else []
        found = (*(len(choice.options) for choice in self._choices), *(2 for _ in self._blocks), *resolutions)
        if not found:
            raise ConfigError(
                f"space.shares: no part of {self.model} can be removed: rounded to {self.round_to} channels, each of "
                f"{list(self.shares)} keeps all"
            )
        return found

    @cached_property
    def choice_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Meaning of each choice, for people."""
        shares = [f"share of {', '.join(part.name for part, _ in choice.parts)}" for choice in self._choices]
        blocks = [f"whether {', '.join(names)} stays" for names in self._blocks]
        return (*shares, *blocks, *(["resolution"] if len(self.resolutions) > 1 else []))

    @cached_property
    def _ends(self) -> tuple[int, int]:
        """Where the choices of shares and those of blocks end."""
        return len(self._choices), len(self._choices) + len(self._blocks)

    @property
    def size(self) -> int:
        """Number of architectures: shares in blocks that are all left out do not count."""
        components: list[frozenset[int]] = []  # blocks that share choices, directly or through others
        for blocks in (*(frozenset([number]) for number in range(len(self._blocks))), *filter(None, self._inside)):
            meeting = [each for each in components if each & blocks]
            components = [*(each for each in components if each not in meeting), blocks.union(*meeting)]
        pairs = zip(self._choices, self._inside, strict=True)
        outside = prod(len(choice.options) for choice, inside in pairs if not inside)
        return outside * max(1, len(self.resolutions)) * prod(self._count(sorted(each)) for each in components)

    def _count(self, blocks: Sequence[int]) -> int:
        """Return the number of combinations of some blocks and of the shares within them."""
        if len(blocks) > LARGEST_COMPONENT:
            raise ConfigError(
                f"space.most_choices: expected a smaller number: as it is, {len(blocks)} blocks share choices of widths"
            )
        stays = (np.arange(2 ** len(blocks))[:, None] >> np.arange(len(blocks))) & 1 > 0
        counts = np.ones(len(stays), dtype=object)
        for choice, inside in zip(self._choices, self._inside, strict=True):
            if inside and inside <= set(blocks):
                active = stays[:, [blocks.index(block) for block in inside]].any(axis=1)
                counts = np.where(active, counts * len(choice.options), counts)
        return int(counts.sum())

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the architectures with the shares within blocks that are left out set to 0."""
        canonical = choices.astype(np.int8, copy=True)
        canonical[self._gone(choices)] = 0
        return canonical

    def _gone(self, choices: np.ndarray) -> np.ndarray:
        """Return which choices are shares within blocks that are all left out: bool, shape (n, n_choices)."""
        first, _ = self._ends
        gone = np.zeros(choices.shape, dtype=bool)
        for column, inside in enumerate(self._inside):
            if inside:
                gone[:, column] = ~choices[:, [first + block for block in inside]].any(axis=1)
        return gone

    def to_text(self, choices: np.ndarray) -> list[str]:
        first, second = self._ends
        texts = []
        for row in choices.tolist():
            shares = ",".join(f"{self._choices[i].options[option]:g}" for i, option in enumerate(row[:first]))
            blocks = ",".join(map(str, row[first:second]))
            size = "" if second == len(row) else self.resolutions[row[-1]]
            suffix = f"@r{size}" if size and size != self.resolutions[-1] else ""
            texts.append(f"{shares}:{blocks}{suffix}")
        return texts

    def words(self, choices: np.ndarray) -> list[str]:
        first, second = self._ends
        row = choices.tolist()
        shares = [f"{choice.options[option]:g}" for choice, option in zip(self._choices, row, strict=False)]
        return [
            *("–" if gone else share for gone, share in zip(self._gone(choices[None])[0], shares, strict=False)),
            *("yes" if stays else "no" for stays in row[first:second]),
            *(f"{self.resolutions[option]} pixels" for option in row[second:]),
        ]

    def _parse(self, text: str) -> list[int]:
        match = re.fullmatch(r"([\d.,e-]*):([01,]*)(?:@r(\d+))?", text)
        if match is None:
            raise ValueError("expected shares:blocks, such as 0.5,1:1,0")
        first, second = self._ends
        shares = [float(value) for value in match[1].split(",")] if match[1] else []
        blocks = [int(value) for value in match[2].split(",")] if match[2] else []
        if (len(shares), len(blocks)) != (first, second - first):
            raise ValueError(
                f"expected {first} shares and {second - first} blocks, got {len(shares)} and {len(blocks)}"
            )
        pairs = zip(shares, self._choices, strict=True)
        row = [*(option_index("share", share, choice.options) for share, choice in pairs), *blocks]
        if len(self.resolutions) > 1:
            row.append(option_index("resolution", int(match[3] or self.resolutions[-1]), self.resolutions))
        elif match[3]:
            raise ValueError("its resolution is fixed")
        return row

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features that surrogates are fitted to.

        Returns
        -------
        ndarray of float32, shape (n, sum(n_options) + n_choices + 2)
            Options as one-hot vectors, their indices, and logarithms to base 10 of parameters and
            multiply–accumulates.
        """
        normal = self.canonical(choices)
        costs = self.costs(normal)
        return np.column_stack([super().features(normal), normal, *(np.log10(v) for v in costs.values())]).astype(
            np.float32
        )

    def cuts(self, choices: np.ndarray) -> list[Cut]:
        """Return the indices that one architecture removes from each part; ``choices`` has shape (n_choices,)."""
        return [
            part.cut(kept[option])
            for choice, option in zip(self._choices, choices.tolist(), strict=False)
            for part, kept in choice.parts
            if kept[option] < part.size
        ]

    def left_out(self, choices: np.ndarray) -> Collection[str]:
        """Return the names of the blocks that one architecture leaves out."""
        first, second = self._ends
        return [
            name
            for names, stays in zip(self._blocks, choices[first:second], strict=True)
            if not stays
            for name in names
        ]

    def network(self, choices: np.ndarray) -> nn.Module:
        """Return a plain smaller network with the user's weights sliced; the largest one is the user's, bit by bit."""
        from nagevo.spaces.slimmed.cutting import slimmer

        return slimmer(self.structure.network, self.cuts(choices), self.left_out(choices))

    def supernet(self, **options: Any) -> SlimmedSupernet:
        from nagevo.spaces.slimmed.supernet import SlimmedSupernet

        return SlimmedSupernet(self.structure.network, self.network, self.cuts)

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return ``parameters`` and ``macs`` (of convolutions, linear layers and attention): int64, shape (n,)."""
        choices = self.canonical(choices)
        stays, kept, resolution = self._stays(choices), self._kept_lengths(choices), self._resolution(choices)
        parameters = np.zeros(len(choices), dtype=np.int64)
        macs = np.zeros(len(choices), dtype=np.int64)
        for weight in self._weights:
            numel = np.ones(len(choices), dtype=np.int64)
            for axis, size in zip(weight.axes, weight.sizes, strict=True):
                numel *= kept.get(axis, size)
            for block, present in stays.items():
                if weight.name.startswith(f"{block}."):
                    numel = np.where(present, numel, 0)
            if weight.is_parameter:
                parameters += numel
            macs += numel * np.asarray(weight.uses)[resolution]
        return {"parameters": parameters, "macs": macs}

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        from nagevo.spaces.traced import replay

        choices = self.canonical(choices)
        precision = np.broadcast_to(np.asarray(precision), (len(choices),))
        chosen, (full, scaled, variants) = self._resolution(choices), self._traces
        found = {name: np.zeros(len(choices)) for name in (PEAK, WEIGHTS)}
        for resolution in np.unique(chosen):
            rows = chosen == resolution
            try:
                traced = full.reduced(list(zip(variants, choices[rows].T, strict=False)), scaled[resolution])
            except ValueError:
                costs = super().memory(choices[rows], precision[rows])
            else:
                memory = Memory(int(rows.sum()), precision[rows])
                replay(memory, traced, partial(_present, self._stays(choices[rows])))
                costs = memory.costs()
            for name, values in costs.items():
                found[name][rows] = values
        return found

    @cached_property
    def _traces(self) -> tuple[Trace, list[Trace], list[list[Trace]]]:
        """The largest network on the largest input, on inputs of all resolutions, and with each option of a share."""
        from nagevo.spaces.traced import trace

        largest = np.asarray(self.n_options, dtype=np.int8) - 1
        scaled = [trace(self.structure.network, shape) for shape in self._shapes]
        variants = []
        for column, choice in enumerate(self._choices):
            rows = np.repeat(largest[None], len(choice.options), axis=0)
            rows[:, column] = np.arange(len(choice.options))
            variants.append([trace(self.network(row), self._shape) for row in rows])
        return scaled[-1], scaled, variants

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        """Shape of an input at each resolution."""
        return [(self._shape[0], size, size) for size in self.resolutions] or [self._shape]

    def _resolution(self, choices: np.ndarray) -> np.ndarray:
        """Return the place of each architecture's resolution among the resolutions, shape (n,)."""
        return choices[:, -1] if len(self.resolutions) > 1 else np.zeros(len(choices), dtype=int)

    def _stays(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return by block which architectures keep it: bool, shape (n,)."""
        first, _ = self._ends
        return {name: choices[:, first + number] > 0 for number, names in enumerate(self._blocks) for name in names}

    def _kept_lengths(self, choices: np.ndarray) -> dict[Axis, np.ndarray]:
        """Return the length of each axis that a choice shortens, shape (n,)."""
        full = {axis: size for weight in self._weights for axis, size in zip(weight.axes, weight.sizes, strict=True)}
        lengths: dict[Axis, np.ndarray] = {}
        for choice, column in zip(self._choices, choices.T, strict=False):
            for part, kept in choice.parts:
                per_option = [part.cut(n) for n in kept]
                for axis in part.units:
                    if axis in full:
                        lost = np.array([len(cut[axis]) for cut in per_option])
                        lengths[axis] = lengths.get(axis, np.full(len(choices), full[axis])) - lost[column]
        return lengths

    @cached_property
    def _weights(self) -> list[Weight]:
        """The tensors whose sizes add up to the costs."""
        from nagevo.spaces.slimmed.costs import weights

        return weights(self.structure.network, self._shapes)

    def __str__(self) -> str:
        return f"the slimmer versions of {self.model}"


def _present(stays: Mapping[str, np.ndarray], operation: Operation) -> bool | np.ndarray:
    """Return which architectures have an operation, shape (n,): those that keep the block around it."""
    for block, present in stays.items():
        if operation.module == block or operation.module.startswith(f"{block}."):
            return present
    return True
