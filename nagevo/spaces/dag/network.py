"""Networks of directed acyclic graphs as plain torch modules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from nagevo.spaces.dag.cell import OPERATIONS, STAGES
from nagevo.spaces.graph import leaves_of, sources_of


def operation(name: str, in_width: int, out_width: int) -> nn.Sequential:
    """Return the module of one of ``OPERATIONS``, with batch normalization and rectifier behind it."""
    filters = [nn.Conv2d(in_width, in_width, 3, padding=1, groups=in_width, bias=False)] * (name == OPERATIONS[0])
    return nn.Sequential(*filters, nn.Conv2d(in_width, out_width, 1, bias=False), nn.BatchNorm2d(out_width), nn.ReLU())


class DAGCell(nn.Module):
    """Nodes that work on the concatenation of what they read.

    Parameters
    ----------
    reads : ndarray of bool, shape (nodes, nodes)
        Whether a node (first axis) reads another (second axis); what the input does not reach reads nothing.
    operations : sequence of str, length nodes - 1
    in_width, width : int
        Channels of the input (node 0) and of every other node.
    """

    def __init__(self, reads: np.ndarray, operations: Sequence[str], in_width: int, width: int):
        super().__init__()
        self.sources, self.outputs = sources_of(reads), leaves_of(reads)
        widths = [in_width, *[width] * len(operations)]
        self.nodes = nn.ModuleDict(
            {
                str(node): operation(operations[node - 1], sum(widths[source] for source in sources), width)
                for node, sources in self.sources.items()
            }
        )
        self.out_width = sum(widths[node] for node in self.outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = {0: x}
        for node, sources in self.sources.items():
            maps[node] = self.nodes[str(node)](torch.cat([maps[source] for source in sources], 1))
        return torch.cat([maps[node] for node in self.outputs], 1)  # (batch, out_width, height, width)


class DAGNetwork(nn.Module):
    """Stem, three stages of cells with max pooling between them, classifier.

    Parameters
    ----------
    reads, operations
        As :class:`DAGCell`.
    width : int
        Channels of a node of the first stage; each later stage has twice as many as the one before.
    cells : int
        Cells of each stage.
    channels, classes : int
        Channels of the images, and outputs.
    """

    def __init__(
        self, reads: np.ndarray, operations: Sequence[str], *, width: int, cells: int, channels: int, classes: int
    ):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        parts: list[nn.Module] = []
        carried = width
        for stage in range(STAGES):
            if stage > 0:
                parts.append(nn.MaxPool2d(2))
            for _ in range(cells):
                cell = DAGCell(reads, operations, carried, width * 2**stage)
                parts.append(cell)
                carried = cell.out_width
        self.body = nn.Sequential(*parts)
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(carried, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.body(self.stem(images)))  # (batch, classes)
