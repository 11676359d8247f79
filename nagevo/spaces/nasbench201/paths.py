"""All cells of NAS-Bench-201: what happens on their paths, and which of them compute the same function.

References
----------
White, Neiswanger, Savani 2021, "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
Search", section 3.2: architectures seen as their paths from input to output. Here paths are counted, and skip
connections are left out of them, because they change nothing of what a path computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from nagevo.spaces.nasbench201.cell import CONV_1X1, CONV_3X3, N_EDGES, NONE, OPERATIONS, SKIP

E01, E02, E12, E03, E13, E23 = range(N_EDGES)
PATHS = ((E03,), (E01, E13), (E02, E23), (E01, E12, E23))
"""All ways from input to output, as edges."""
ON_PATH = np.array([[edge in path for edge in range(N_EDGES)] for path in PATHS])
WORDS = tuple(word for word in range(4**3) if "0" not in np.base_repr(word, 4).lstrip("0"))
"""Functions of a path, skips left out: up to three of pool (1), 1×1 (2) and 3×3 (3), as digits to base 4."""
PLACE_VALUES = len(OPERATIONS) ** np.arange(N_EDGES)[::-1]


def numbers(cells: np.ndarray) -> np.ndarray:
    """Return the row of each cell in :func:`all_cells`, shape (n,)."""
    return cells @ PLACE_VALUES


@cache
def all_cells() -> np.ndarray:
    """Return all cells, int8 of shape (15625, 6)."""
    return np.indices((len(OPERATIONS),) * N_EDGES, dtype=np.int8).reshape(N_EDGES, -1).T.copy()


def live_paths(cells: np.ndarray) -> np.ndarray:
    """Return which paths carry the input to the output: bool, shape (n, 4)."""
    return np.stack([(cells[:, path] != NONE).all(axis=1) for path in PATHS], axis=1)


def pruned(cells: np.ndarray) -> np.ndarray:
    """Return the cells with ``none`` on every edge that lies on no live path."""
    return np.where(live_paths(cells) @ ON_PATH, cells, NONE).astype(np.int8)


@cache
def path_features() -> np.ndarray:
    """Return what happens on the live paths of all cells: see :meth:`NASBench201Space.features`.

    Returns
    -------
    ndarray of float32, shape (15625, 44)
        Equal for cells that compute the same function.
    """
    cells, live = all_cells(), live_paths(all_cells())
    counts = np.zeros((len(cells), 4**3))
    for path, alive in zip(PATHS, live.T, strict=True):
        counts[np.arange(len(cells)), _words(cells[:, path])] += alive
    convolutions = np.stack([(cells[:, path] >= CONV_1X1).sum(axis=1) for path in PATHS], axis=1)
    squares = np.stack([(cells[:, path] == CONV_3X3).sum(axis=1) for path in PATHS], axis=1)
    summary = [
        live.sum(axis=1),
        np.where(live, convolutions, N_EDGES).min(axis=1),
        np.where(live, convolutions, 0).max(axis=1),
        np.where(live, squares, 0).max(axis=1),
    ]
    return np.column_stack([counts[:, WORDS], *summary]).astype(np.float32)


def _words(operations: np.ndarray) -> np.ndarray:
    """Return what each row of operations computes in turn, as a number to base 4 (see ``WORDS``), shape (n,)."""
    word = np.zeros(len(operations), dtype=int)
    for operation in operations.T:
        word = np.where(operation > SKIP, 4 * word + operation - SKIP, word)
    return word


@cache
def representatives() -> np.ndarray:
    """Return the number of the cell that stands for all which compute the same function.

    Returns
    -------
    ndarray of int, shape (15625,)
        The representative of each cell: the equal cell with the fewest operations, the first in order.

    Notes
    -----
    Equal means: the same operations, each with weights of its own, applied to the same values. Two parallel
    convolutions are not one, twice a value is not the value, and no use is made of the linearity of pooling, which
    would change what has to be computed.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    cells = all_cells()
    n_operations = (cells != NONE).sum(axis=1)
    pairs = [(np.arange(len(cells)), numbers(pruned(cells)))]
    for condition, exchanged in _equal_exchanges(cells):
        rows = np.flatnonzero(condition)
        pairs.append((rows, numbers(cells[rows][:, exchanged])))
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(cells), len(cells)))
    _, component = connected_components(graph, directed=False)
    order = np.lexsort((np.arange(len(cells)), n_operations))
    _, position = np.unique(component[order], return_index=True)
    return order[position][component]


def _equal_exchanges(cells: np.ndarray) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield where (bool, shape (n,)) which order of the edges leaves the function of a cell as it is."""
    none, skip = (cells == NONE).T, (cells == SKIP).T

    def exchanged(first: int, second: int) -> list[int]:
        order = list(range(N_EDGES))
        order[first], order[second] = second, first
        return order

    yield none[E12], [E02, E01, E12, E03, E23, E13]  # the inner nodes are not connected: either may come first
    yield skip[E01], exchanged(E02, E12)  # node 1 is the input: edges may leave either
    yield skip[E01], exchanged(E03, E13)
    yield none[E12] & skip[E02], exchanged(E03, E23)  # node 2 is the input
    yield none[E02] & skip[E12] & skip[E01], exchanged(E03, E23)
    yield none[E02] & skip[E12], exchanged(E13, E23)  # node 2 is node 1
    yield skip[E23], exchanged(E02, E03)  # node 2 is only added to the output: edges may enter either
    yield skip[E23], exchanged(E12, E13)
    yield none[E13] & skip[E12], exchanged(E01, E02)  # node 1 is only added to node 2
    yield none[E12] & skip[E13], exchanged(E01, E03)  # node 1 is only added to the output
    yield none[E02] & skip[E12], exchanged(E12, E23)  # in and out of a node by one edge each: the copy may come last
    yield none[E12] & skip[E02], exchanged(E02, E23)
    yield none[E12] & skip[E01], exchanged(E01, E13)
    yield none[E13] & skip[E01], exchanged(E01, E12)
