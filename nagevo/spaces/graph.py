"""Spaces of directed acyclic graphs: whether a node reads an earlier one is a choice."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, prod

import numpy as np

from nagevo.foundation.errors import ConfigError
from nagevo.spaces.base import SearchSpace


class GraphSpace(SearchSpace):
    """Graphs of nodes in a fixed order, node 0 the input; each edge from a node to a later one is present or absent.

    Parameters
    ----------
    nodes : int
        Nodes of a graph, the input among them.

    Attributes
    ----------
    edges : list of (int, int)
        Source and target of each choice.
    kinds : sequence of ndarray of bool, shape (nodes - 1,)
        Which nodes but the input are of each kind that surrogates tell apart.

    Notes
    -----
    The text lists for each node but the input, as 0 or 1, which of the nodes before it are read: ``1/01/110``. What
    the input does not reach does not count. Nodes with the same operation are not exchanged to find out whether two
    graphs are the same.
    """

    def __init__(self, nodes: int):
        self.nodes = nodes
        self.edges = [(source, target) for target in range(1, nodes) for source in range(target)]
        self.n_options = (2,) * len(self.edges)
        self.choice_names = tuple(f"node {target} reads node {source}" for source, target in self.edges)
        self.kinds: Sequence[np.ndarray] = [np.ones(nodes - 1, dtype=bool)]

    @property
    def size(self) -> int:
        """Number of graphs: for each set of k reached nodes, the m-th reads any of the m before it, but not none."""
        return sum(comb(self.nodes - 1, k) * prod(2**m - 1 for m in range(1, k + 1)) for k in range(self.nodes))

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

    def words(self, choices: np.ndarray) -> list[str]:
        return ["yes" if read else "no" for read in choices]

    def _parse(self, text: str) -> list[int]:
        parts = text.split("/")
        if [len(part) for part in parts] != list(range(1, self.nodes)) or set(text) - set("01/"):
            raise ValueError(f"expected {self.nodes - 1} groups of 1, 2, … digits 0 or 1: 1/01/110/…")
        return [int(digit) for part in parts for digit in part]

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features that surrogates are fitted to.

        Returns
        -------
        ndarray of float32, shape (n, n_choices + 2 (nodes - 1) + 4 + n_kinds)
            The edges (n_choices); how many nodes each node reads and its depth, the most nodes on a way to it from the
            input (2 (nodes - 1)); how many edges, reached nodes of each of :attr:`kinds`, and outputs there are, and
            the greatest and the mean depth (4 + n_kinds).
        """
        normal = self.canonical(choices)
        reads = self.reads(normal)
        degree = reads.sum(axis=2)[:, 1:]  # (n, nodes - 1)
        depth = self.depths(reads)[:, 1:]
        summary = [
            degree.sum(axis=1),
            *(((degree > 0) & kind).sum(axis=1) for kind in self.kinds),
            self.outputs(reads).sum(axis=1),
            depth.max(axis=1),
            depth.mean(axis=1),
        ]
        return np.column_stack([normal, degree, depth, *summary]).astype(np.float32)

    def depths(self, reads: np.ndarray) -> np.ndarray:
        """Return the most nodes on a way from the input to each node, 0 for what is not reached, shape (n, nodes)."""
        depth = np.zeros(reads.shape[:2], dtype=int)
        for node in range(1, self.nodes):
            depth[:, node] = np.where(reads[:, node], depth + 1, 0).max(axis=1)
        return depth

    def outputs(self, reads: np.ndarray) -> np.ndarray:
        """Return which nodes make up the output: bool, shape (n, nodes). Without edges it is the input."""
        live = np.any(reads, axis=2)
        live[:, 0] = True
        return live & ~np.any(reads, axis=1)


def node_operations(
    key: str, given: Sequence[str] | None, known: Sequence[str], n: int, *, seed: int
) -> tuple[str, ...]:
    """Return the operation of each of n nodes: those given, else equal numbers of the known ones, shuffled.

    Raises
    ------
    ConfigError
        If another number is given; ``key`` is the option of the space.
    """
    if given is None:
        alternating = [known[node % len(known)] for node in range(n)]
        return tuple(np.random.default_rng(seed).permutation(alternating).tolist())
    if len(given) != n:
        raise ConfigError(f"space.{key}: expected {n} names, one for each node but the input, got {len(given)}")
    return tuple(given)


def sources_of(reads: np.ndarray) -> dict[int, list[int]]:
    """Return the nodes that each node reads, of those that read any."""
    return {node: np.flatnonzero(row).tolist() for node, row in enumerate(reads) if row.any()}


def leaves_of(reads: np.ndarray) -> list[int]:
    """Return the nodes, node 0 and those that read others, that no other node reads."""
    return [node for node in (0, *sources_of(reads)) if not reads[:, node].any()]
