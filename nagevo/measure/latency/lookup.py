"""Latencies of the MobileNetV3 space as sums over a table of block latencies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.foundation.options import Option
from nagevo.measure.latency.base import Device, known_values
from nagevo.measure.latency.block_table import read_block_table
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space
from nagevo.spaces.separable.layout import Block, Layout, reduced_size

OVERHEAD = "overhead"
"""Entry of a table for what a whole network costs beside its blocks; absent in tables of Once-for-All."""


class LookupDevice(Device):
    """Add up the latencies of an architecture's blocks, from a lookup table.

    References
    ----------
    Cai, Gan, Wang, Zhang, Han 2020, "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
    section 3.4: the latency lookup tables. The names of blocks are those of the published tables, or other spellings of
    them: see :mod:`nagevo.measure.latency.block_table`.
    """

    exact = free = True

    def __init__(
        self,
        path: Annotated[
            str | os.PathLike | Mapping[str, str],
            Option(
                "YAML file from the names of blocks to their `mean` in ms; or one for each resolution among which "
                'architectures choose: `{"160": …, "176": …}`.',
                path=True,
            ),
        ],
        resolution: Annotated[
            int | None, Option("Height and width of the images of the table; null for the space's.", "pixels", ge=1)
        ] = None,
    ):
        self.path, self.resolution = path, resolution
        self._sums: tuple[SearchSpace, BlockSums] | None = None

    def measure(self, space: SearchSpace, choices: np.ndarray) -> pd.DataFrame:
        """Return the sum of block latencies of each architecture.

        Raises
        ------
        ConfigError
            If the space is not ``mobilenetv3``, or chooses among resolutions of which one has no table.
        DataError
            If a table is absent, damaged, or lacks a block of the space.
        """
        if not isinstance(space, MobileNetV3Space):
            raise ConfigError(
                f"backend lookup: expected the space mobilenetv3, whose blocks the table names, got {space}"
            )
        if space.rectangle is not None:
            raise ConfigError("backend lookup: expected one number as resolution: tables hold blocks of square images")
        if self._sums is None or self._sums[0] is not space:
            self._sums = space, self._sums_of(space)
        with np.errstate(over="ignore"):  # a sum beyond all numbers gets its status
            return known_values(self._sums[1].of(choices), "the lookup table")

    def _sums_of(self, space: MobileNetV3Space) -> BlockSums:
        if self.resolution is not None:
            if len(space.resolutions) > 1:
                raise ConfigError('backend lookup: resolution is for spaces of one; give path as {"160": …, "176": …}')
            space = space.at(self.resolution)
        paths = [self._path(resolution) for resolution in space.resolutions]
        tables = {path: read_block_table(path) for path in dict.fromkeys(paths)}
        try:
            return BlockSums([tables[path] for path in paths], space)
        except KeyError as error:
            raise DataError(
                f"lookup table {', '.join(map(str, paths))} has no entry {error.args[0]}: "
                "it is for another resolution or other widths"
            ) from None

    def _path(self, resolution: int) -> Path:
        """Return the path of the table for a resolution."""
        if not isinstance(self.path, Mapping):
            return Path(self.path)
        paths = {int(pixels): Path(file) for pixels, file in self.path.items()}
        if resolution not in paths:
            known = ", ".join(map(str, paths))
            raise ConfigError(f"backend lookup: path has tables for {known} pixels, but the space has {resolution}")
        return paths[resolution]


class BlockSums:
    """Latencies of architectures as sums of those of their blocks, what all share, and the overhead.

    Parameters
    ----------
    means : sequence of mapping of str to float
        For each of the space's resolutions the latency in ms by name of block.

    Raises
    ------
    KeyError
        If a mapping lacks a block of the space.
    """

    def __init__(self, means: Sequence[Mapping[Any, float]], space: MobileNetV3Space):
        self.space, self.means = space, dict(zip(space.resolutions, means, strict=True))
        self.ends = space.table_of_ends(self._end)
        self.slots = space.table_of_slots(lambda resolution, *block: self.means[resolution][block_name(*block)])

    def _end(self, layout: Layout) -> float:
        means = self.means[layout.input_size]
        return sum(means[name] for name in end_names(layout)) + means.get(OVERHEAD, 0.0)

    def of(self, choices: np.ndarray) -> np.ndarray:
        """Return the latency in ms of each architecture, shape (n,); ``choices`` has shape (n, n_choices)."""
        return self.space.of_ends(self.ends, choices) + self.space.of_slots(self.slots, choices).sum(axis=1)


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


def end_names(layout: Layout) -> tuple[str, str, str, str, str, str]:
    """Return the names of what surrounds the stages: stem, first block, head, pooling, features, classifier."""
    image, (stem, *_, last) = layout.input_size, layout.sizes
    head, feature = layout.head_width, layout.feature_width
    return (
        f"Conv-input:{image}x{image}x{layout.channels}-output:{stem}x{stem}x{layout.stem_width}",
        block_name(layout.blocks[0], stem),
        f"Conv_1-input:{last}x{last}x{layout.blocks[-1].out_width}-output:{last}x{last}x{head}",
        f"AvgPool2D-input:{last}x{last}x{head}-output:1x1x{head}",
        f"Conv_2-input:1x1x{head}-output:1x1x{feature}",
        f"Logits-input:1x1x{feature}-output:{layout.classes}",
    )
