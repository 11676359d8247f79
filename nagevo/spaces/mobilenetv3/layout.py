"""The choices and widths of MobileNetV3 networks.

References
----------
Howard et al. 2019, "Searching for MobileNetV3", table 1: widths, strides, activations and squeeze-and-excite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nagevo.spaces.separable.layout import rounded_width

N_STAGES = 5
DEPTHS = np.array([2, 3, 4])
KERNELS = np.array([3, 5, 7])
EXPANSIONS = np.array([3, 4, 6])
SLOTS = int(DEPTHS.max())
"""Layer slots of a stage; a stage of depth d uses the first d."""
N_SLOTS = N_STAGES * SLOTS
N_LAYER_CHOICES = N_STAGES + 2 * N_SLOTS
"""Depths, kernels and expansions: the first choices of an architecture."""
SQUEEZE_REDUCTION = 4


@dataclass(frozen=True)
class Widths:
    """Channels of the parts of a network.

    Attributes
    ----------
    stem, first : int
        Channels of the first convolution and of the first block.
    stages : tuple of int, length 5
    head, feature : int
        Before and after global pooling.
    """

    stem: int
    first: int
    stages: tuple[int, ...]
    head: int
    feature: int

    def scaled(self, multiplier: float, divisor: int) -> Widths:
        """Return the widths times a multiplier, rounded to multiples of the divisor."""

        def scaled(width: int) -> int:
            return rounded_width(width * multiplier, divisor)

        stages = tuple(map(scaled, self.stages))
        return Widths(scaled(self.stem), scaled(self.first), stages, scaled(self.head), scaled(self.feature))
