"""The graph networks of NAS-Bench-Graph: four nodes, each with one input and one of nine operations.

References
----------
Qin, Zhang, Wang, Zhang, Zhu 2022, "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import comb
from types import ModuleType
from typing import Annotated, Literal, get_args

import numpy as np
import pandas as pd

from nagevo.foundation.errors import ConfigError, optional_packages, unknown
from nagevo.foundation.options import Option
from nagevo.spaces.base import SearchSpace, option_index

Operation = Literal["skip", "fc", "gin", "graph", "sage", "arma", "gcn", "cheb", "gat"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
"""From the cheapest to the most expensive on most of the datasets."""
NO_MESSAGES = ("skip", "fc")
"""Operations that do not use the neighbors of a vertex."""
GraphDataset = Literal["cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins"]
DATASETS = get_args(GraphDataset)
N_NODES = 4
N_LINKS = N_NODES - 1
"""Links that are choices: the first node always reads the input."""


class NASBenchGraphSpace(SearchSpace):
    """Graph neural networks of four operations; each reads the input or the output of an earlier operation.

    Notes
    -----
    The text is ``0,l,l,l:op,op,op,op``: from which node each of four reads (0 is the input), and what it does. Nodes
    that no other one reads make up the output. As in the package ``nas-bench-graph``, texts mean the same network if
    they differ only in the order of nodes, or in skip connections, which stand for what they copy. Networks of skip
    connections alone do not exist; they are read as having one of the cheapest other operation.
    """

    def __init__(
        self,
        *,
        operations: Annotated[
            Sequence[Operation],
            Option(
                "Operations that may occur; `proteins` was measured with skip, fc, sage, arma and gcn only.",
                min_length=1,
            ),
        ] = OPERATIONS,
    ):
        self.operations = tuple(name for name in OPERATIONS if name in operations)
        if not set(self.operations) - {"skip"}:
            raise ConfigError('space.operations: expected at least one operation that is not "skip"')
        self.n_options = (2, 3, 4, *[len(self.operations)] * N_NODES)
        self.choice_names = (
            *(f"input of node {node}" for node in range(2, N_NODES + 1)),
            *(f"operation of node {node}" for node in range(1, N_NODES + 1)),
        )
        self._canonical_numbers = np.full(np.prod(self.n_options), -1)
        package()

    @property
    def size(self) -> int:
        return n_networks(len(self.operations) - ("skip" in self.operations), skip="skip" in self.operations)

    def enumerate(self) -> np.ndarray:
        """Return every architecture once: those that the package was measured with."""
        rows, known = self._decoded(measured("cora").index.to_numpy())
        numbers = self._numbers(rows[known])
        self._canonical_numbers[numbers] = numbers
        return rows[known]

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the architectures as the package regularizes them; each is looked at once."""
        existing = choices.astype(np.int8)
        if "skip" in self.operations:  # one cheap operation where there are skip connections only
            existing[(choices[:, N_LINKS:] == 0).all(axis=1), -1] = 1
        numbers = self._numbers(existing)
        new = np.unique(numbers[self._canonical_numbers[numbers] < 0])
        if len(new):
            keys = [package().Arch(link, operations).valid_hash() for link, operations in self._parts(self._rows(new))]
            self._canonical_numbers[new] = self._numbers(self._decoded(np.array(keys))[0])
        return self._rows(self._canonical_numbers[numbers])

    def _numbers(self, choices: np.ndarray) -> np.ndarray:
        return np.ravel_multi_index(choices.T.astype(int), self.n_options)

    def _rows(self, numbers: np.ndarray) -> np.ndarray:
        return np.stack(np.unravel_index(numbers, self.n_options), axis=1).astype(np.int8)

    def _decoded(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the architectures that the package knows by these numbers, and which of them this space has."""
        links, names = package().architecture.link_list, package().architecture.gnn_list
        base = len(names) + 1
        digits = keys[:, None] // base ** np.arange(N_NODES + 1)[::-1] % base  # (n, tree and operations)
        option = np.array([self.operations.index(name) if name in self.operations else -1 for name in names])
        rows = np.concatenate([np.array(links)[digits[:, 0], 1:], option[digits[:, 1:]]], axis=1)
        return rows.astype(np.int8), np.all(rows >= 0, axis=1)

    def _parts(self, choices: np.ndarray) -> list[tuple[list[int], list[str]]]:
        """Return the inputs and the operations of the four nodes of each architecture, in the package's terms."""
        return [
            ([0, *row[:N_LINKS]], [self.operations[option] for option in row[N_LINKS:]]) for row in choices.tolist()
        ]

    def keys(self, choices: np.ndarray) -> np.ndarray:
        """Return by which number the package knows each architecture, shape (n,)."""
        canonical = self.canonical(choices)
        links, names = package().architecture.link_list, package().architecture.gnn_list
        tree = (canonical[:, None, :N_LINKS] == np.array(links)[:, 1:]).all(axis=2).argmax(axis=1)
        digits = np.array([names.index(name) for name in self.operations])[canonical[:, N_LINKS:]]
        base = len(names) + 1
        return tree * base**N_NODES + digits @ base ** np.arange(N_NODES)[::-1]

    def to_text(self, choices: np.ndarray) -> list[str]:
        """Return ``0,l,l,l:op,op,op,op`` for each architecture."""
        return [f"{','.join(map(str, link))}:{','.join(operations)}" for link, operations in self._parts(choices)]

    def words(self, choices: np.ndarray) -> list[str]:
        links, operations = np.split(choices, [N_LINKS])
        return [*map(str, links), *(self.operations[option] for option in operations)]

    def _parse(self, text: str) -> list[int]:
        sources, operations = (part.split(",") for part in text.split(":"))
        link = [int(node) for node in sources]
        if len(link) != N_NODES or len(operations) != N_NODES:
            raise ValueError(f"expected {N_NODES} inputs and {N_NODES} operations: 0,l,l,l:op,op,op,op")
        if any(not 0 <= source <= node for node, source in enumerate(link)):
            raise ValueError("a node reads the input (0) or a node before it")
        if set(operations) == {"skip"}:
            raise ValueError("a network of skip connections alone does not exist")
        return [*link[1:], *(option_index("operation", name, self.operations) for name in operations)]

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features that surrogates are fitted to.

        Returns
        -------
        ndarray of float32, shape (n, 12 + 7 n_operations)
            Links (9) and operations (4 n_operations) as one-hot rows; how often each operation occurs at all, next to
            the input, and next to the output (3 n_operations); how many nodes go to the output, and the most and the
            fewest operations that pass messages on the way to one of them (3).
        """
        canonical = self.canonical(choices)
        parents, options = canonical[:, :N_LINKS], canonical[:, N_LINKS:]
        one_hot = options[:, :, None] == np.arange(len(self.operations))  # (n, node, operation)
        first = np.insert(parents == 0, 0, True, axis=1)  # (n, node)
        last = ~(parents[:, :, None] == np.arange(1, N_NODES + 1)).any(axis=1)  # (n, node)
        messages = self._messages(parents, options)  # (n, node)
        columns = [
            super().features(canonical),
            one_hot.sum(axis=1),
            (one_hot & first[:, :, None]).sum(axis=1),
            (one_hot & last[:, :, None]).sum(axis=1),
            last.sum(axis=1)[:, None],
            np.where(last, messages, 0).max(axis=1)[:, None],
            np.where(last, messages, N_NODES).min(axis=1)[:, None],
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _messages(self, parents: np.ndarray, options: np.ndarray) -> np.ndarray:
        """Return how many operations pass messages from the input up to each node, shape (n, 4)."""
        passes = ~np.isin(self.operations, NO_MESSAGES)[options]
        depth = np.zeros((len(options), N_NODES + 1), dtype=int)  # the input first
        rows = np.arange(len(options))
        for node in range(1, N_NODES + 1):
            parent = parents[:, node - 2] if node > 1 else 0
            depth[:, node] = depth[rows, parent] + passes[:, node - 1]
        return depth[:, 1:]


def n_networks(n_operations: int, *, skip: bool) -> int:
    """Return how many different networks there are with so many operations, skip connections not among them.

    Notes
    -----
    A network is a set of trees whose nodes have no order. A skip connection stands for what it copies; it makes a
    difference only as the last of several branches of an operation, because the output then sees that operation too.
    So with s skip connections that make none, the other nodes form trees of 4 − s nodes.

    >>> n_networks(8, skip=True), n_networks(4, skip=True)
    (26206, 2021)
    """
    n, leaves = n_operations, n_operations + skip
    trees = {1: n, 2: n**2}  # number of trees by number of nodes; under an operation there is at least one branch
    trees[3] = n * (trees[2] + comb(leaves + 1, 2))
    trees[4] = n * (trees[3] + trees[2] * leaves + comb(leaves + 2, 3))
    sets = {1: trees[1], 2: trees[2] + comb(n + 1, 2), 3: trees[3] + trees[2] * n + comb(n + 2, 3)}
    sets[4] = trees[4] + trees[3] * n + comb(trees[2] + 1, 2) + trees[2] * comb(n + 1, 2) + comb(n + 3, 4)
    return sum(sets.values()) if skip else sets[4]


def package() -> ModuleType:
    """Return the package that carries the benchmark.

    Raises
    ------
    MissingDependency
        If it is not installed.
    """
    with optional_packages("space nasbench_graph"):
        import nas_bench_graph
    return nas_bench_graph


@cache
def measured(dataset: str) -> pd.DataFrame:
    """Return what was measured on a dataset.

    Returns
    -------
    DataFrame
        By the package's number of the architecture: ``validation`` and ``test`` (percent), ``latency_ms``, and
        ``parameters`` (millions). The package gives latencies without a unit; they are taken as seconds.

    Raises
    ------
    ConfigError
        If the dataset is not one of ``DATASETS``.
    """
    if dataset not in DATASETS:
        raise ConfigError(unknown("dataset", dataset, DATASETS))
    frame = pd.DataFrame.from_dict(package().light_read(dataset), orient="index").astype(float)
    return pd.DataFrame(
        {
            "validation": 100.0 * frame["valid_perf"],
            "test": 100.0 * frame["perf"],
            "latency_ms": 1000.0 * frame["latency"],
            "parameters": frame["para"],
        }
    )
