"""Memory of depthwise-separable networks: see :mod:`nagevo.spaces.memory`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nagevo.spaces.memory import Memory, filters
from nagevo.spaces.separable.layout import Block, Layout, positions, reduced_size


def memory_of(layouts: Sequence[Layout], precision: str | np.ndarray) -> dict[str, np.ndarray]:
    """Return ``peak_memory_kb`` and ``weights_kb`` of layouts: see :meth:`nagevo.spaces.base.SearchSpace.memory`."""

    def of(name: str) -> np.ndarray:
        return np.array([getattr(layout, name) for layout in layouts], dtype=int)

    def area(size: Callable[[Layout], int | tuple[int, int]]) -> np.ndarray:
        return np.array([positions(size(layout), layout.dims) for layout in layouts], dtype=int)

    memory = Memory(len(layouts), precision)
    channels, stem, head, feature, classes = map(
        of, ("channels", "stem_width", "head_width", "feature_width", "classes")
    )
    first, last = area(lambda layout: layout.sizes[0]), area(lambda layout: layout.sizes[-1])
    x = memory.input(channels * area(lambda layout: layout.input_size))
    x = memory.add([x], stem * first, **filters(channels, stem, of("stem_kernel") ** of("dims")))
    x = memory.add([x], stem * first, in_place=True)
    for number in range(max((len(layout.blocks) for layout in layouts), default=0)):
        rows = [_row(layout, number) for layout in layouts]
        x = _block(memory, x, *np.array(rows, dtype=int).reshape(-1, len(FIELDS)).T)
    out = np.array([layout.blocks[-1].out_width for layout in layouts], dtype=int)
    x = memory.add([x], head * last, **filters(out, head))
    x = memory.add([x], head * last, in_place=True)
    x = memory.add([x], head)
    x = memory.add([x], feature, present=feature > 0, **filters(head, feature, bias=False))
    x = memory.add([x], feature, present=feature > 0, in_place=True)
    memory.output(memory.add([x], classes, **filters(of("last_width"), classes)), classes)
    return memory.costs()


FIELDS = ("given", "hidden", "out", "taps", "squeeze", "expands", "shortcut", "positions", "reduced")
"""Numbers that describe a block, all 0 where there is none."""


def _row(layout: Layout, number: int) -> tuple[int, ...]:
    """Return the numbers of one block."""
    if number >= len(layout.blocks):
        return (0,) * len(FIELDS)
    block: Block = layout.blocks[number]
    size = layout.sizes[number]
    return (
        block.in_width,
        block.hidden_width,
        block.out_width,
        block.kernel**block.dims,
        block.squeeze_width,
        block.expands,
        block.has_shortcut,
        positions(size, block.dims),
        positions(reduced_size(size, block.stride), block.dims),
    )


def _block(
    memory: Memory,
    x: np.ndarray,
    given: np.ndarray,
    hidden: np.ndarray,
    out: np.ndarray,
    taps: np.ndarray,
    squeeze: np.ndarray,
    expands: np.ndarray,
    shortcut: np.ndarray,
    positions: np.ndarray,
    reduced: np.ndarray,
) -> np.ndarray:
    """Return the output of one block of each layout, which passes on its input where it has no such block."""
    present, squeezes, widens = hidden > 0, squeeze > 0, expands > 0
    inner = memory.add([x], hidden * positions, present=widens, **filters(given, hidden))
    inner = memory.add([inner], hidden * positions, present=widens, in_place=True)
    inner = memory.add([inner], hidden * reduced, present=present, **filters(1, hidden, taps))
    inner = memory.add([inner], hidden * reduced, present=present, in_place=True)
    gate = memory.add([inner], hidden, present=squeezes)
    gate = memory.add([gate], squeeze, present=squeezes, **filters(hidden, squeeze))
    gate = memory.add([gate], squeeze, present=squeezes, in_place=True)
    gate = memory.add([gate], hidden, present=squeezes, **filters(squeeze, hidden))
    gate = memory.add([gate], hidden, present=squeezes, in_place=True)
    inner = memory.add([inner, gate], hidden * reduced, present=squeezes, in_place=True)
    inner = memory.add([inner], out * reduced, present=present, **filters(hidden, out))
    return memory.add([inner, x], out * reduced, present=shortcut > 0, in_place=True)
