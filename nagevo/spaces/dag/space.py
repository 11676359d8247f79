"""AutoShrink's cells: directed acyclic graphs whose edges are present or absent.

References
----------
Zhang et al. 2020, "AutoShrink: A Topology-aware NAS for Discovering Efficient Neural Architecture": nodes have an
operation each, which stays; the edges between them are searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, prod
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from nagevo.foundation.errors import ConfigError, unknown
from nagevo.foundation.options import Option
from nagevo.spaces.base import SearchSpace
from nagevo.spaces.dag.cell import OPERATIONS, STAGES

if TYPE_CHECKING:
    from nagevo.spaces.dag.network import DAGNetwork


class DAGSpace(SearchSpace):
    """Graphs of nodes in a fixed order; whether a node reads an earlier one is a choice.

    Notes
    -----
    A node works on all maps that it reads, concatenated; what no node reads is concatenated to the output of the cell.
    How the paper joins maps was not checked: joined like this, every edge has a price. The text lists for each node
    but the input, as 0 or 1, which of the nodes before it are read: ``1/01/110``. What the input does not reach does
    not count. Nodes with the same operation are not exchanged to find out whether two graphs are the same.
    """

    def __init__(
        self,
        *,
        nodes: Annotated[int, Option("Nodes of a graph, the input among them.", ge=2)] = 8,
        operations: Annotated[
            Sequence[Literal["separable_3x3", "conv_1x1"]] | None,
            Option("Operation of each node but the input; null for equal numbers of both, shuffled."),
        ] = None,
        operation_seed: Annotated[int, Option("Seed of the shuffle of `operations`.", ge=0)] = 0,
        width: Annotated[int, Option("Channels of a node of the first stage; each later one doubles them.", ge=1)] = 16,
        cells: Annotated[int, Option("Cells of each stage.", ge=1)] = 1,
        resolution: Annotated[int, Option("Height and width of the images.", "pixels", ge=4)] = 32,
        channels: Annotated[Literal[1, 3], Option("Channels of the images: 1 for grey, 3 for color.")] = 3,
        classes: Annotated[int, Option("Classes of the images.", ge=2)] = 10,
    ):
        self.nodes, self.width, self.cells = nodes, width, cells
        self.resolution, self.channels, self.classes = resolution, channels, classes
        self.operations = _operations(nodes - 1, operations, operation_seed)
        self.edges = [(source, target) for target in range(1, nodes) for source in range(target)]
        self.n_options = (2,) * len(self.edges)
        self.choice_names = tuple(f"node {target} reads node {source}" for source, target in self.edges)

    @property
    def size(self) -> int:
        """Number of graphs: for each set of k reached nodes, the m-th reads any of the m before it, but not none."""
        return sum(comb(self.nodes - 1, k) * prod(2**m - 1 for m in range(1, k + 1)) for k in range(self.nodes))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.channels, self.resolution, self.resolution

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the graphs without the edges that leave a node which the input does not reach."""
        reads = self.reads(choices)
        reached = np.zeros((len(choices), self.nodes), dtype=bool)
        reached[:, 0] = True
        for node in range(1, self.nodes):
            reached[:, node] = (reads[:, node] & reached).any(axis=1)
        sources = [source for source, _ in self.edges]
        return np.where(reached[:, sources], choices, 0).astype(np.int8)

    def reads(self, choices: np.ndarray) -> np.ndarray:
        """Return whether a node (second axis) reads another (third axis): bool, shape (n, nodes, nodes)."""
        reads = np.zeros((len(choices), self.nodes, self.nodes), dtype=bool)
        sources, targets = np.array(self.edges).T
        reads[:, targets, sources] = choices
        return reads

    def to_text(self, choices: np.ndarray) -> list[str]:
        """Return for each node which nodes before it are read: ``1/01/110/…``."""
        ends = np.cumsum(np.arange(1, self.nodes - 1))
        return ["/".join("".join(map(str, part)) for part in np.split(row, ends)) for row in choices]

    def _parse(self, text: str) -> list[int]:
        parts = text.split("/")
        if [len(part) for part in parts] != list(range(1, self.nodes)) or set(text) - set("01/"):
            raise ValueError(f"expected {self.nodes - 1} groups of 1, 2, … digits 0 or 1: 1/01/110/…")
        return [int(digit) for part in parts for digit in part]

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return what surrogates see.

        Returns
        -------
        ndarray of float32, shape (n, n_choices + 2 (nodes - 1) + 8)
            The edges (n_choices); how many nodes each node reads and its depth, the most nodes on a way to it from the
            input (2 (nodes - 1)); how many edges, nodes of either operation, and outputs there are, and the greatest
            and the mean depth (6); logarithms to base 10 of parameters and multiply–accumulates (2).
        """
        normal = self.canonical(choices)
        reads = self.reads(normal)
        degree = reads.sum(axis=2)[:, 1:]  # (n, nodes - 1)
        depth = self._depths(reads)[:, 1:]
        live = degree > 0
        separable = np.array(self.operations) == OPERATIONS[0]
        costs = self.costs(normal)
        summary = [
            degree.sum(axis=1),
            (live & separable).sum(axis=1),
            (live & ~separable).sum(axis=1),
            self._outputs(reads).sum(axis=1),
            depth.max(axis=1),
            depth.mean(axis=1),
            np.log10(costs["parameters"]),
            np.log10(costs["macs"]),
        ]
        return np.column_stack([normal, degree, depth, *summary]).astype(np.float32)

    def _depths(self, reads: np.ndarray) -> np.ndarray:
        """Return the most nodes on a way from the input to each node, 0 for what is not reached, shape (n, nodes)."""
        depth = np.zeros(reads.shape[:2], dtype=int)
        for node in range(1, self.nodes):
            depth[:, node] = np.where(reads[:, node], depth + 1, 0).max(axis=1)
        return depth

    def _outputs(self, reads: np.ndarray) -> np.ndarray:
        """Return which nodes make up the output: bool, shape (n, nodes). Without edges it is the input."""
        live = np.any(reads, axis=2)
        live[:, 0] = True
        return live & ~np.any(reads, axis=1)

    def network(self, choices: np.ndarray) -> DAGNetwork:
        from nagevo.spaces.dag.network import DAGNetwork

        return DAGNetwork(
            self.reads(self.canonical(choices[None]))[0],
            self.operations,
            width=self.width,
            cells=self.cells,
            channels=self.channels,
            classes=self.classes,
        )

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return trainable ``parameters`` and ``macs`` (of convolutions and classifier): int64, shape (n,)."""
        reads = self.reads(self.canonical(choices))
        separable = np.array([False, *(name == OPERATIONS[0] for name in self.operations)])
        outputs, live = self._outputs(reads), reads.any(axis=2)
        stem = 9 * self.channels * self.width
        parameters = np.full(len(choices), stem + 2 * self.width)
        macs = np.full(len(choices), stem * self.resolution**2)
        carried = np.full(len(choices), self.width)  # channels that a cell is given
        for stage in range(STAGES):
            width, area = self.width * 2**stage, (self.resolution // 2**stage) ** 2
            for _ in range(self.cells):
                given = np.full(outputs.shape, width)
                given[:, 0] = carried
                read = (reads * given[:, None]).sum(axis=2)  # (n, nodes): channels that a node reads
                weights = (read * (9 * separable + width)).sum(axis=1)
                parameters += weights + 2 * width * live.sum(axis=1)
                macs += weights * area
                carried = (outputs * given).sum(axis=1)
        return {"parameters": parameters + (carried + 1) * self.classes, "macs": macs + carried * self.classes}


def _operations(n: int, operations: Sequence[str] | None, seed: int) -> tuple[str, ...]:
    """Return the operation of each of n nodes."""
    if operations is None:
        alternating = [OPERATIONS[node % len(OPERATIONS)] for node in range(n)]
        return tuple(np.random.default_rng(seed).permutation(alternating).tolist())
    if len(operations) != n:
        raise ConfigError(
            f"space.operations: expected {n} names, one for each node but the input, got {len(operations)}"
        )
    for name in operations:
        if name not in OPERATIONS:
            raise ConfigError(unknown("space.operations:", name, OPERATIONS))
    return tuple(operations)
