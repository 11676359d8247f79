"""The cell of NAS-Bench-201: its operations, edges and paths, without torch."""

from __future__ import annotations

import numpy as np

OPERATIONS = ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
"""From the cheapest to the most expensive."""
NONE, SKIP, POOL, CONV_1X1, CONV_3X3 = range(len(OPERATIONS))
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""From which node to which, in the order of the text; node 0 is the input, node 3 the output."""
N_EDGES = len(EDGES)
INCOMING_EDGES = (1, 2, 3)
"""Number of edges into each node but the input; those into the same node follow each other in ``EDGES``."""
E01, E02, E12, E03, E13, E23 = range(N_EDGES)
PATHS = ((E03,), (E01, E13), (E02, E23), (E01, E12, E23))
"""All ways from input to output, as edges."""
ON_PATH = np.array([[edge in path for edge in range(N_EDGES)] for path in PATHS])
WORDS = tuple(word for word in range(4**3) if "0" not in np.base_repr(word, 4).lstrip("0"))
"""Functions of a path, skips left out: up to three of pool (1), 1×1 (2) and 3×3 (3), as digits to base 4."""
PLACE_VALUES = len(OPERATIONS) ** np.arange(N_EDGES)[::-1]
STAGES = 3
