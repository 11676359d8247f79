"""Memory of depthwise-separable networks: see :mod:`nagevo.spaces.memory`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np

from nagevo.spaces.memory import Memory, filters
from nagevo.spaces.separable.layout import Block, Layout, positions, reduced_size

ABSENT = (0,) * 9
"""The numbers of a block that a layout does not have, see :func:`_numbers`."""


def memory_of(layouts: Sequence[Layout], precision: str | np.ndarray) -> dict[str, np.ndarray]:
    """Return ``peak_memory_kb`` and ``weights_kb`` of layouts: see :meth:`nagevo.spaces.base.SearchSpace.memory`."""
    sizes = [layout.sizes for layout in layouts]

    def of(name: str) -> np.ndarray:
        return np.array([getattr(layout, name) for layout in layouts], dtype=int)

    def area(chosen: Iterable[int | tuple[int, int]]) -> np.ndarray:
        pairs = zip(chosen, layouts, strict=True)
        return np.array([positions(size, layout.dims) for size, layout in pairs], dtype=int)

    memory = Memory(len(layouts), precision)
    channels, stem, head, feature, classes = map(
        of, ("channels", "stem_width", "head_width", "feature_width", "classes")
    )
    first, last = area(each[0] for each in sizes), area(each[-1] for each in sizes)
    x = memory.input(channels * area(layout.input_size for layout in layouts))
    x = memory.add([x], stem * first, **filters(channels, stem, of("stem_kernel") ** of("dims")))
    x = memory.add([x], stem * first, in_place=True)
    inputs = [zip(layout.blocks, each[:-1], strict=True) for layout, each in zip(layouts, sizes, strict=True)]
    for blocks in zip_longest(*inputs):  # the first of each layout, then the second, …
        rows = [ABSENT if each is None else _numbers(*each) for each in blocks]
        x = _block(memory, x, *np.array(rows, dtype=int).T)
    out = np.array([layout.blocks[-1].out_width for layout in layouts], dtype=int)
    x = memory.add([x], head * last, **filters(out, head))
    x = memory.add([x], head * last, in_place=True)
    x = memory.add([x], head)
    x = memory.add([x], feature, present=feature > 0, **filters(head, feature, bias=False))
    x = memory.add([x], feature, present=feature > 0, in_place=True)
    memory.output(memory.add([x], classes, **filters(of("last_width"), classes)), classes)
    return memory.costs()


def _numbers(block: Block, size: int | tuple[int, int]) -> tuple[int, ...]:
    """Return the numbers of a block that :func:`_block` takes, from the positions of its input in each dimension."""
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
