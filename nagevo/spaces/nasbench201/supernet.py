"""The weight-sharing network of NAS-Bench-201: every edge is a weighted sum of all operations.

References
----------
Liu, Simonyan, Yang 2019, "DARTS: Differentiable Architecture Search", equation 2, for the mixed operation; Dong, Yang
2020, "NAS-Bench-201", section 2.1, for the cells and how they are stacked.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import cast

from torch import Tensor, nn

from nagevo.spaces.nasbench201.cell import EDGES, OPERATIONS
from nagevo.spaces.nasbench201.network import NASBench201Network, operation


class MixtureNetwork(nn.Module):
    """Cells whose edges sum all operations; the weights of the sum are the same in all cells and given with the images.

    Parameters
    ----------
    width, cells, channels, classes
        As :class:`NASBench201Network`.
    exclude_zero : bool
        Whether the operation ``none`` is left out of the candidates.
    """

    def __init__(self, *, width: int, cells: int, channels: int, classes: int, exclude_zero: bool = False):
        super().__init__()
        self.operations = OPERATIONS[1:] if exclude_zero else OPERATIONS
        self._weights: list[Tensor] = []
        self.network = NASBench201Network(
            lambda cell_width: MixtureCell(self.operations, cell_width, self._weights),
            width=width,
            cells=cells,
            channels=channels,
            classes=classes,
        )

    def forward(self, images: Tensor, weights: Tensor) -> Tensor:
        """Return scores, shape (batch, classes).

        Parameters
        ----------
        images : Tensor, shape (batch, channels, height, width)
        weights : Tensor, shape (6, n_operations)
            Weight of each operation on each edge, in the order of ``EDGES`` and :attr:`operations`.
        """
        self._weights[:] = [weights]
        return self.network(images)


class MixtureCell(nn.Module):
    """Four nodes; each is the sum of what its incoming edges make of the nodes before it.

    Parameters
    ----------
    operations : sequence of str
    width : int
        Channels.
    weights : list of Tensor, shape (6, n_operations)
        Holds the weights that the network was given last.
    """

    def __init__(self, operations: tuple[str, ...], width: int, weights: list[Tensor]):
        super().__init__()
        self.weights = weights
        self.edges = nn.ModuleList(nn.ModuleList(operation(name, width) for name in operations) for _ in EDGES)

    def forward(self, x: Tensor) -> Tensor:
        nodes = {0: x}
        for (source, target), candidates, weights in zip(EDGES, self.edges, self.weights[0], strict=True):
            weighted = zip(weights, cast(nn.ModuleList, candidates), strict=True)
            value = reduce(add, [weight * candidate(nodes[source]) for weight, candidate in weighted])
            nodes[target] = nodes[target] + value if target in nodes else value  # (batch, width, height, width)
        return nodes[3]
