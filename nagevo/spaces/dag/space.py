"""AutoShrink's cells: directed acyclic graphs whose edges are present or absent.

References
----------
Zhang et al. 2020, "AutoShrink: A Topology-aware NAS for Discovering Efficient Neural Architecture": nodes have an
operation each, which stays; the edges between them are searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np

from nagevo.foundation.options import Option
from nagevo.spaces.dag.cell import OPERATIONS, STAGES, Operation
from nagevo.spaces.graph import GraphSpace, node_operations
from nagevo.spaces.images import Channels, Classes, Resolution, height_and_width
from nagevo.spaces.memory import NO_PLACE, Memory, filters

if TYPE_CHECKING:
    from nagevo.spaces.dag.network import DAGNetwork


class DAGSpace(GraphSpace):
    """Graphs of nodes in a fixed order; whether a node reads an earlier one is a choice.

    Notes
    -----
    A node works on all maps that it reads, concatenated; what no node reads is concatenated to the output of the cell.
    How the paper joins maps was not checked: joined like this, every edge has a price.
    """

    def __init__(
        self,
        *,
        nodes: Annotated[int, Option("Nodes of a graph, the input among them.", ge=2)] = 8,
        operations: Annotated[
            Sequence[Operation] | None,
            Option("Operation of each node but the input; null for equal numbers of both, shuffled."),
        ] = None,
        operation_seed: Annotated[int, Option("Seed of the shuffle of `operations`.", ge=0)] = 0,
        width: Annotated[int, Option("Channels of a node of the first stage; each later one doubles them.", ge=1)] = 16,
        cells: Annotated[int, Option("Cells of each stage.", ge=1)] = 1,
        resolution: Resolution = 32,
        channels: Channels = 3,
        classes: Classes = 10,
    ):
        super().__init__(nodes)
        self.width, self.cells = width, cells
        self.sides, self.channels, self.classes = height_and_width(resolution), channels, classes
        self.operations = node_operations("operations", operations, OPERATIONS, nodes - 1, seed=operation_seed)
        self.kinds = [np.array(self.operations) == name for name in OPERATIONS]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.channels, *self.sides

    def _area(self, stage: int) -> int:
        """Return the positions of the maps of a stage."""
        height, width = self.sides
        return (height // 2**stage) * (width // 2**stage)

    def features(self, choices: np.ndarray) -> np.ndarray:
        """Return the features that surrogates are fitted to.

        Returns
        -------
        ndarray of float32, shape (n, n_choices + 2 (nodes - 1) + 8)
            Those of :meth:`.GraphSpace.features`, for nodes of either operation; logarithms to base 10 of parameters
            and multiply–accumulates (2).
        """
        logarithms = [np.log10(each) for each in self.costs(choices).values()]
        return np.column_stack([super().features(choices), *logarithms]).astype(np.float32)

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
        outputs, live = self.outputs(reads), reads.any(axis=2)
        stem = 9 * self.channels * self.width
        parameters = np.full(len(choices), stem + 2 * self.width)
        macs = np.full(len(choices), stem * self._area(0))
        carried = np.full(len(choices), self.width)  # channels that a cell is given
        for stage in range(STAGES):
            width, area = self.width * 2**stage, self._area(stage)
            for _ in range(self.cells):
                given = np.full(outputs.shape, width)
                given[:, 0] = carried
                read = (reads * given[:, None]).sum(axis=2)  # (n, nodes): channels that a node reads
                weights = (read * (9 * separable + width)).sum(axis=1)
                parameters += weights + 2 * width * live.sum(axis=1)
                macs += weights * area
                carried = (outputs * given).sum(axis=1)
        return {"parameters": parameters + (carried + 1) * self.classes, "macs": macs + carried * self.classes}

    def memory(self, choices: np.ndarray, precision: str | np.ndarray = "fp32") -> dict[str, np.ndarray]:
        reads = self.reads(self.canonical(choices))
        live, outputs = np.any(reads, axis=2), self.outputs(reads)
        memory = Memory(len(choices), precision)
        x = memory.input(self.channels * self._area(0))
        x = memory.add([x], self.width * self._area(0), **filters(self.channels, self.width, 9))
        x = memory.add([x], self.width * self._area(0), in_place=True)
        carried = np.full(len(choices), self.width)  # channels that a cell is given
        for stage in range(STAGES):
            width, area = self.width * 2**stage, self._area(stage)
            if stage:
                x = memory.add([x], carried * area)
            for _ in range(self.cells):
                values, given = [x], np.full(outputs.shape, width)
                given[:, 0] = carried
                for node, operation in enumerate(self.operations, start=1):
                    value, read = _joined(memory, values, reads[:, node, :node], given, area)
                    if operation == OPERATIONS[0]:
                        each = filters(1, read, 9, bias=False)
                        value = memory.add([value], read * area, present=live[:, node], **each)
                    value = memory.add([value], width * area, present=live[:, node], **filters(read, width))
                    value = memory.add([value], width * area, present=live[:, node], in_place=True)
                    values.append(np.where(live[:, node], value, NO_PLACE))
                x, carried = _joined(memory, values, outputs, given, area)
        x = memory.add([x], carried)
        memory.output(memory.add([x], self.classes, **filters(carried, self.classes)), self.classes)
        return memory.costs()


def _joined(
    memory: Memory, values: Sequence[np.ndarray], which: np.ndarray, given: np.ndarray, area: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the concatenation of some of the nodes' values, ``which`` (n, nodes), and its channels, shape (n,)."""
    channels = (which * given[:, : which.shape[1]]).sum(axis=1)
    read = [np.where(one, value, NO_PLACE) for one, value in zip(which.T, values, strict=True)]
    several = which.sum(axis=1) > 1
    only = np.maximum.reduce(read)
    joined = memory.add(read, channels * area, present=several, same="concat")
    return np.where(several, joined, only), channels
