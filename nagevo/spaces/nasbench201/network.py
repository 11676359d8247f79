"""Networks of NAS-Bench-201 cells as plain torch modules.

References
----------
Dong, Yang 2020, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", section 2.1 and
figure 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from nagevo.spaces.nasbench201.cell import EDGES, NONE, OPERATIONS, STAGES


class ReLUConvBN(nn.Sequential):
    """Rectifier, convolution with "same" padding, batch normalization."""

    def __init__(self, in_width: int, out_width: int, kernel: int, stride: int = 1):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_width, out_width, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out_width),
        )


class Zero(nn.Module):
    """Zeros of the input's shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


def operation(name: str, width: int) -> nn.Module:
    """Return the module of one of ``OPERATIONS``; it keeps the shape of its input."""
    builders: dict[str, Callable[[], nn.Module]] = {
        "none": Zero,
        "skip_connect": nn.Identity,
        "avg_pool_3x3": lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
        "nor_conv_1x1": lambda: ReLUConvBN(width, width, 1),
        "nor_conv_3x3": lambda: ReLUConvBN(width, width, 3),
    }
    return builders[name]()


class Cell(nn.Module):
    """Four nodes; each is the sum of what its incoming edges make of the nodes before it.

    Parameters
    ----------
    choices : ndarray of int8, shape (6,)
        Without edges that lie on no path from input to output.
    width : int
        Channels.
    """

    def __init__(self, choices: np.ndarray, width: int):
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                f"{source}_{target}": operation(OPERATIONS[option], width)
                for (source, target), option in zip(EDGES, choices, strict=True)
                if option != NONE
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes = {0: x}
        for name, edge in self.edges.items():  # in the order of EDGES: a node is whole before an edge leaves it
            source, target = map(int, name.split("_"))
            value = edge(nodes[source])  # (batch, width, height, width in pixels)
            nodes[target] = nodes[target] + value if target in nodes else value
        return nodes[3] if 3 in nodes else torch.zeros_like(x)


class Reduction(nn.Module):
    """Residual block that halves height and width and doubles the channels."""

    def __init__(self, in_width: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            ReLUConvBN(in_width, 2 * in_width, 3, stride=2), ReLUConvBN(2 * in_width, 2 * in_width, 3)
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True), nn.Conv2d(in_width, 2 * in_width, 1, bias=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolutions(x) + self.shortcut(x)


class NASBench201Network(nn.Module):
    """Stem, three stages of cells with a reduction between them, classifier.

    Parameters
    ----------
    make_cell : callable
        From the channels to a new cell: called once for each cell.
    width : int
        Channels of the first stage.
    cells : int
        Cells of each stage.
    channels, classes : int
        Channels of the images, and outputs.
    """

    def __init__(self, make_cell: Callable[[int], nn.Module], *, width: int, cells: int, channels: int, classes: int):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        parts: list[nn.Module] = []
        for stage in range(STAGES):
            if stage > 0:
                parts.append(Reduction(width * 2 ** (stage - 1)))
            parts += [make_cell(width * 2**stage) for _ in range(cells)]
        self.body = nn.Sequential(*parts)
        last = width * 2 ** (STAGES - 1)
        self.final = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(last, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.body(self.stem(images))  # (batch, 4 · width, height / 4, width / 4)
        return self.classifier(self.final(x))  # (batch, classes)
