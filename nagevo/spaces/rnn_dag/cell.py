"""The recurrent cell of AutoShrink: its activations, without torch."""

from __future__ import annotations

ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")
"""Functions that a node may apply to what its edges bring."""
