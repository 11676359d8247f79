"""Latencies of the MobileNetV3 space as sums over a table of block latencies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.files import load_yaml
from nagevo.foundation.options import Option
from nagevo.measure.latency.base import Device, known_values
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.mobilenetv3.layout import EXPANSIONS, KERNELS, N_SLOTS, SLOTS, Block, reduced_size
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

OVERHEAD = "overhead"
"""Entry of a table for what a whole network costs beside its blocks; absent in tables of Once-for-All."""


class LookupDevice(Device):
    """Add up the latencies of the blocks that an architecture consists of.

    References
    ----------
    Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
    section 3.4: the latency lookup tables. The names of blocks are those of the published tables.
    """

    exact = True

    def __init__(
        self,
        path: Annotated[
            str | os.PathLike, Option("YAML file from the names of blocks to their `mean` in ms.", path=True)
        ],
        resolution: Annotated[
            int | None, Option("Height and width of the images of the table; null for the space's.", "pixels", ge=1)
        ] = None,
    ):
        self.path, self.resolution = Path(path), resolution

    @cached_property
    def means(self) -> dict[str, float]:
        """Latency in ms of each entry of the table."""
        return read_block_table(self.path)

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return the sum of block latencies of each architecture.

        Raises
        ------
        ConfigError
            If the space is not ``mobilenetv3``.
        DataError
            If the table is absent, damaged, or lacks a block of the space.
        """
        if not isinstance(space, MobileNetV3Space):
            raise ConfigError(
                f"backend lookup: expected the space mobilenetv3, whose blocks the table names, got {space}"
            )
        if self.resolution is not None:
            space = space.at(self.resolution)
        try:
            with np.errstate(over="ignore"):  # a sum beyond all numbers gets its status
                latency_ms = sum_of_blocks(self.means, space, choices)
        except KeyError as error:
            raise DataError(
                f"lookup table {self.path} has no entry {error.args[0]}: it is for another resolution or other widths"
            ) from None
        return known_values(latency_ms, self.path)


def sum_of_blocks(means: Mapping[str, float], space: MobileNetV3Space, choices: np.ndarray) -> np.ndarray:
    """Return the latency in ms of each architecture, shape (n,): its blocks, what all share, and the overhead.

    Parameters
    ----------
    means : mapping of str to float
        Latency in ms by name of block.
    space : MobileNetV3Space
    choices : ndarray of int8, shape (n, 45)

    Raises
    ------
    KeyError
        If the mapping lacks a block of the space.
    """
    shared = sum(means[name] for name in shared_names(space)) + means.get(OVERHEAD, 0.0)
    of_slots = np.empty((N_SLOTS, len(KERNELS), len(EXPANSIONS)))  # ms of what each slot can hold
    for index, block, size in slot_blocks(space):
        of_slots[index] = means[block_name(block, size)]
    kernels, expansions = np.split(choices[:, -2 * N_SLOTS :], 2, axis=1)
    used = space.used(choices).reshape(len(choices), N_SLOTS)
    return shared + (of_slots[np.arange(N_SLOTS), kernels, expansions] * used).sum(axis=1)


def slot_blocks(space: MobileNetV3Space) -> Iterator[tuple[tuple[int, int, int], Block, int]]:
    """Yield (slot, kernel, expansion) as indices, the block that this makes, and the height of its input."""
    for slot, kernel, expansion in np.ndindex(N_SLOTS, len(KERNELS), len(EXPANSIONS)):
        stage, layer = divmod(slot, SLOTS)
        block = space.block(stage, layer, KERNELS[kernel], EXPANSIONS[expansion])
        yield (slot, kernel, expansion), block, space.resolution_of_stages[stage + 1 if layer else stage]


def block_name(block: Block, size: int) -> str:
    """Return the name that Once-for-All gives to a block on an input of ``size`` × ``size`` positions.

    >>> block_name(Block(32, 96, 48, 5, 2, "relu", 24), 56)
    'expanded_conv-input:56x56x32-output:28x28x48-expand:96-kernel:5-stride:2-idskip:0-se:1-hs:0'
    """
    reduced = reduced_size(size, block.stride)
    return (
        f"expanded_conv-input:{size}x{size}x{block.in_width}-output:{reduced}x{reduced}x{block.out_width}"
        f"-expand:{block.hidden_width}-kernel:{block.kernel}-stride:{block.stride}-idskip:{block.has_shortcut:d}"
        f"-se:{block.squeeze_width > 0:d}-hs:{block.activation == 'hswish':d}"
    )


def shared_names(space: MobileNetV3Space) -> tuple[str, str, str, str, str, str]:
    """Return the names of what all architectures share: stem, first block, head, pooling, features, classifier."""
    image, stem, last = space.resolution, space.resolution_of_stages[0], space.resolution_of_stages[-1]
    head, feature = space.head_width, space.feature_width
    return (
        f"Conv-input:{image}x{image}x{space.channels}-output:{stem}x{stem}x{space.stem_width}",
        block_name(space.first_block, stem),
        f"Conv_1-input:{last}x{last}x{space.stage_widths[-1]}-output:{last}x{last}x{head}",
        f"AvgPool2D-input:{last}x{last}x{head}-output:1x1x{head}",
        f"Conv_2-input:1x1x{head}-output:1x1x{feature}",
        f"Logits-input:1x1x{feature}-output:{space.classes}",
    )


def read_block_table(path: str | os.PathLike) -> dict[str, float]:
    """Return the ``mean`` in ms of each entry of a block table.

    Raises
    ------
    DataError
        If the file is absent, is not YAML, or an entry has no mean that is a latency.
    """
    try:
        entries = load_yaml(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"lookup table {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"lookup table {path} is not YAML: {error}") from None
    if not isinstance(entries, dict) or not entries:
        raise DataError(f"lookup table {path}: expected a mapping from block names to their latencies")
    return {str(name): _mean(path, name, entry) for name, entry in entries.items()}


def _mean(path: str | os.PathLike, name: object, entry: Any) -> float:
    mean = entry.get("mean") if isinstance(entry, dict) else None
    if isinstance(mean, bool) or not isinstance(mean, int | float) or not 0 <= mean <= sys.float_info.max:
        found = mean if isinstance(mean, str | int | float) else type(entry if mean is None else mean).__name__
        raise DataError(f"lookup table {path}: expected a mean in ms, not negative, for {name}, got {str(found)[:80]}")
    return float(mean)
