"""The cell of NAS-Bench-201: its operations and edges, without torch."""

from __future__ import annotations

OPERATIONS = ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
"""From the cheapest to the most expensive."""
NONE, SKIP, POOL, CONV_1X1, CONV_3X3 = range(len(OPERATIONS))
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""From which node to which, in the order of the text; node 0 is the input, node 3 the output."""
N_EDGES = len(EDGES)
INCOMING_EDGES = (1, 2, 3)
"""Number of edges into each node but the input; those into the same node follow each other in ``EDGES``."""
STAGES = 3
