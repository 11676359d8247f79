"""The cell of AutoShrink: its operations and stages, without torch."""

from __future__ import annotations

from typing import Literal, get_args

Operation = Literal["separable_3x3", "conv_1x1"]
OPERATIONS = get_args(Operation)
"""Operations that a node may apply to the maps that it reads."""
STAGES = 3
"""Each with twice the channels and half the height and width of the one before."""
