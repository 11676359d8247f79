"""The cells of NAS-Bench-201: four nodes, six edges, five operations.

References
----------
Dong, Yang 2020, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", section 2.1.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import numpy as np

from nagevo.foundation.options import Option
from nagevo.spaces.base import SearchSpace, option_index
from nagevo.spaces.images import Channels, Classes, Resolution, height_and_width
from nagevo.spaces.memory import NO_PLACE, Memory, filters
from nagevo.spaces.nasbench201.cell import (
    CONV_1X1,
    CONV_3X3,
    EDGES,
    INCOMING_EDGES,
    N_EDGES,
    NONE,
    OPERATIONS,
    POOL,
    STAGES,
)
from nagevo.spaces.nasbench201.paths import all_cells, numbers, path_features, pruned, representatives

if TYPE_CHECKING:
    from nagevo.spaces.nasbench201.network import NASBench201Network


class NASBench201Space(SearchSpace):
    """Cells of six edges with five operations, stacked in three stages that are separated by residual reductions.

    Notes
    -----
    The 15,625 cells compute 5,425 different functions: an edge that lies on no path from input to output does
    nothing, a skip connection stands for the node it copies, and inner nodes have no order. Merging them saves
    trainings. It does not suit the benchmark's own tables, hence the default: there each cell was trained and timed by
    itself, dead edges included, so that equal cells differ (by 0.28 points of CIFAR-100 accuracy on average, and by a
    third of the latency on a phone where edges are dead) and the frontier over all cells is not that over a
    representative of each function.
    """

    n_options = (len(OPERATIONS),) * N_EDGES
    choice_names = tuple(f"operation from node {source} to node {target}" for source, target in EDGES)

    def __init__(
        self,
        *,
        merge_equal: Annotated[
            bool,
            Option(
                "Whether cells that compute the same function are measured once; false for tables with a row for each."
            ),
        ] = False,
        width: Annotated[int, Option("Channels of the first stage; each later one doubles them.", ge=1)] = 16,
        cells: Annotated[int, Option("Cells of each stage.", ge=1)] = 5,
        resolution: Resolution = 32,
        channels: Channels = 3,
        classes: Classes = 10,
    ):
        self.merge_equal, self.width, self.cells = merge_equal, width, cells
        self.sides, self.channels, self.classes = height_and_width(resolution), channels, classes

    @property
    def size(self) -> int:
        return len(np.unique(representatives())) if self.merge_equal else len(all_cells())

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.channels, *self.sides

    @property
    def _areas(self) -> np.ndarray:
        """Positions of the maps of each stage, shape (3,)."""
        return (-(-np.array(self.sides)[:, None] // 2 ** np.arange(STAGES))).prod(axis=0)  # a reduction rounds up

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the cell that stands for all that compute the same function, as :func:`representatives` says."""
        return all_cells()[representatives()[numbers(choices)]]

    def normal(self, choices: np.ndarray) -> np.ndarray:
        """Return the canonical form with ``merge_equal``, else the cells as they are."""
        return self.canonical(choices) if self.merge_equal else choices.astype(np.int8)

    def to_text(self, choices: np.ndarray) -> list[str]:
        """Return ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` for each cell."""
        template = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
        return [template.format(*(OPERATIONS[option] for option in row)) for row in choices]

    def words(self, choices: np.ndarray) -> list[str]:
        return [OPERATIONS[option] for option in choices]

    def _parse(self, text: str) -> list[int]:
        entries = [entry.partition("~") for node in text.split("+") for entry in node.strip("|").split("|")]
        if [source for _, _, source in entries] != [str(source) for source, _ in EDGES]:
            raise ValueError("expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        return [option_index("operation", operation, OPERATIONS) for operation, _, _ in entries]

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features that surrogates are fitted to.

        Returns
        -------
        ndarray of float32, shape (n, 84)
            Operations as one-hot rows (30); how often each occurs, on all edges (4) and on live ones (4); how many
            live paths compute each of 40 words (40); how many paths are live, the least and the most convolutions on
            one, and the most 3×3 convolutions (4); logarithms to base 10 of parameters and multiply–accumulates (2).
        """
        return self._features[numbers(self.normal(choices))]

    @cached_property
    def _features(self) -> np.ndarray:
        """Features of all cells: a search reads those of thousands of cells in each round."""
        cells = all_cells()
        columns = [
            (cells[:, :, None] == np.arange(len(OPERATIONS))).reshape(len(cells), -1),
            _counts(cells),
            _counts(pruned(cells)),
            path_features(),
            *(np.log10(cost) for cost in self.costs(cells).values()),
        ]
        return np.column_stack(columns).astype(np.float32)

    def network(self, choices: np.ndarray) -> NASBench201Network:
        """Return the untrained network of one cell; edges that do nothing are not built."""
        from nagevo.spaces.nasbench201.network import Cell, NASBench201Network

        live = pruned(choices[None])[0]
        return NASBench201Network(
            lambda width: Cell(live, width),
            width=self.width,
            cells=self.cells,
            channels=self.channels,
            classes=self.classes,
        )

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return trainable ``parameters`` and ``macs`` (of convolutions and classifier): int64, shape (n,)."""
        live = pruned(choices)
        points, squares = (live == CONV_1X1).sum(axis=1), (live == CONV_3X3).sum(axis=1)
        widths = self.width * 2 ** np.arange(STAGES)
        areas = self._areas
        last = widths[-1]
        weights = self.cells * widths**2  # of all 1×1 convolutions on one edge, by stage
        parameters = np.outer(points + 9 * squares, weights) + 2 * np.outer(points + squares, self.cells * widths)
        macs = np.outer(points + 9 * squares, weights * areas)
        # a reduction: 3×3 convolutions from half the width and from the full one, and a 1×1 shortcut from the half
        reduction = widths[1:] ** 2 * (9 + 18 + 1) // 2
        stem = 9 * self.channels * self.width
        return {
            "parameters": parameters.sum(axis=1)
            + stem
            + 2 * self.width
            + (reduction + 4 * widths[1:]).sum()
            + 2 * last
            + (last + 1) * self.classes,
            "macs": macs.sum(axis=1) + stem * areas[0] + (reduction * areas[1:]).sum() + last * self.classes,
        }

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        live = pruned(choices)
        memory = Memory(len(choices), precision)
        widths = (self.width * 2 ** np.arange(STAGES)).tolist()
        areas = self._areas.tolist()
        x = memory.input(self.channels * areas[0])
        x = memory.add([x], widths[0] * areas[0], **filters(self.channels, widths[0], 9))
        for stage, (width, area) in enumerate(zip(widths, areas, strict=True)):
            if stage:
                half, size = width // 2, width * area
                main = memory.add([x], half * areas[stage - 1], in_place=True, same="relu")
                main = memory.add([main], size, **filters(half, width, 9))
                main = memory.add([main], size, in_place=True)
                main = memory.add([main], size, **filters(width, width, 9))
                pooled = memory.add([x], half * area)
                shortcut = memory.add([pooled], size, **filters(half, width, bias=False))
                x = memory.add([main, shortcut], size, in_place=True)
            for _ in range(self.cells):
                x = _cell_memory(memory, x, live, width, width * area)
        last = widths[-1]
        x = memory.add([x], last * areas[-1], in_place=True, weights=last, others=12 * last)
        x = memory.add([x], last * areas[-1], in_place=True)
        x = memory.add([x], last)
        memory.output(memory.add([x], self.classes, **filters(last, self.classes)), self.classes)
        return memory.costs()


def _cell_memory(memory: Memory, x: np.ndarray, live: np.ndarray, width: int, size: int) -> np.ndarray:
    """Return the output of a cell of each architecture: maps of so many numbers, of so many channels."""
    nodes = [x, *(np.full(len(live), NO_PLACE) for _ in INCOMING_EDGES)]
    for (source, target), option in zip(EDGES, live.T, strict=True):
        given = np.where(option == NONE, NO_PLACE, nodes[source])
        convolves = option >= CONV_1X1
        rectified = memory.add([given], size, present=convolves, in_place=True, same="relu")
        value = memory.add([given], size, present=option == POOL, same="pool")
        for taps, which in ((1, option == CONV_1X1), (9, option == CONV_3X3)):
            value = np.where(which, rectified, value)
            value = memory.add([value], size, present=which, **filters(width, width, taps))
        before = nodes[target]
        both = (before != NO_PLACE) & (value != NO_PLACE)
        first = np.where(before == NO_PLACE, value, before)
        nodes[target] = memory.add([first, value], size, present=both, in_place=True, same="add")
    return nodes[-1]


def _counts(cells: np.ndarray) -> np.ndarray:
    """Return how often each operation but ``none`` occurs, shape (n, 4)."""
    return (cells[:, :, None] == np.arange(1, len(OPERATIONS))).sum(axis=1)
