"""Drawings of architectures: the data that a page draws, by kind of space.

A drawing is a dictionary with a ``kind`` and a ``summary`` in one sentence, which is what screen readers read. A space
of one's own gets a drawing by ``drawing.register``; without one it is drawn as the list of its choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from nagevo.spaces.base import SearchSpace
from nagevo.spaces.conv1d.space import Conv1dSpace
from nagevo.spaces.dag.space import DAGSpace
from nagevo.spaces.mobilenetv3.layout import DEPTHS, EXPANSIONS, KERNELS, N_LAYER_CHOICES, N_STAGES, SLOTS
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space
from nagevo.spaces.nasbench201.cell import EDGES, NONE, OPERATIONS
from nagevo.spaces.nasbench201.paths import pruned
from nagevo.spaces.nasbench201.space import NASBench201Space
from nagevo.spaces.nasbench_graph import N_LINKS, NASBenchGraphSpace
from nagevo.spaces.precise import PreciseSpace
from nagevo.spaces.separable.layout import Layout


@singledispatch
def drawing(space: SearchSpace, choices: np.ndarray) -> dict[str, Any]:
    """Return how to draw one architecture.

    Parameters
    ----------
    choices : ndarray of int8, shape (n_choices,)
        In normal form.

    Returns
    -------
    dict
        ``kind`` and what it needs: ``"choices"`` has ``items`` (the name of a choice and what is taken); ``"stages"``
        has ``stages`` of layer slots, null where a slot is skipped, with a ``level`` from 1 to 3 for the kernel;
        ``"graph"`` has ``nodes`` (x, y from 0 to 1, label) and ``edges`` (source, target, label, whether skipped, and
        how far it bends aside).
    """
    items = [{"name": name, "taken": word} for name, word in zip(space.choice_names, space.words(choices), strict=True)]
    return {"kind": "choices", "summary": f"{len(items)} choices", "items": items}


@drawing.register
def _(space: MobileNetV3Space, choices: np.ndarray) -> dict[str, Any]:
    kernels, expansions = choices[N_STAGES:N_LAYER_CHOICES].reshape(2, N_STAGES, SLOTS)
    depths, used, layout = DEPTHS[choices[:N_STAGES]], space.used(choices[None])[0], space.layout(choices)
    ends = np.cumsum(depths)  # the first block comes before the stages
    stages = [
        {
            "width": layout.blocks[ends[stage]].out_width,
            "size": layout.sizes[ends[stage] + 1],
            "squeeze_excite": space.squeeze_excite[stage],
            "layers": [
                {
                    "kernel": int(KERNELS[kernels[stage, slot]]),
                    "level": int(kernels[stage, slot]) + 1,
                    "expansion": int(EXPANSIONS[expansions[stage, slot]]),
                }
                if used[stage, slot]
                else None
                for slot in range(SLOTS)
            ],
        }
        for stage in range(N_STAGES)
    ]
    summary = f"{depths.sum()} layers in {N_STAGES} stages of {', '.join(map(str, depths))}"
    return _stages(layout, summary, stages, stem_width=layout.blocks[0].out_width)


@drawing.register
def _(space: Conv1dSpace, choices: np.ndarray) -> dict[str, Any]:
    layout, values = space.layout(choices), space.values(choices[None])
    depths, kernels, widths = (values[part][0].tolist() for part in ("depth", "kernel", "width"))
    ends = np.cumsum(depths)
    stages = [
        {
            "width": width,
            "size": layout.sizes[end],
            "squeeze_excite": False,
            "layers": [{"kernel": kernel, "level": min(3, 1 + int(option))}] * depth + [None] * (space.slots - depth),
        }
        for depth, kernel, width, end, option in zip(
            depths, kernels, widths, ends, choices[space.stages : 2 * space.stages], strict=True
        )
    ]
    summary = f"{ends[-1]} layers in {space.stages} stages of {', '.join(map(str, depths))}"
    return _stages(layout, summary, stages, stem_width=layout.stem_width)


def _stages(layout: Layout, summary: str, stages: list[dict[str, Any]], *, stem_width: int) -> dict[str, Any]:
    """Return the drawing of stages of layer slots."""
    return {
        "kind": "stages",
        "summary": summary,
        "dims": layout.dims,
        "input": " × ".join(map(str, (layout.channels, *_sides(layout)))),
        "stem": {"width": stem_width, "size": layout.sizes[0]},
        "stages": stages,
        "head": {"width": layout.last_width, "classes": layout.classes},
    }


SHORT = {
    "none": "none",
    "skip_connect": "skip",
    "avg_pool_3x3": "pool 3×3",
    "nor_conv_1x1": "1×1",
    "nor_conv_3x3": "3×3",
}


@drawing.register
def _(space: NASBench201Space, choices: np.ndarray) -> dict[str, Any]:
    names = ("in", "1", "2", "out")
    live = pruned(choices[None])[0] != NONE
    labels = [SHORT[OPERATIONS[option]] for option in choices]
    edges = [
        _edge(source, target, label, skipped=not alive)
        for (source, target), label, alive in zip(EDGES, labels, live, strict=True)
    ]
    summary = "; ".join(
        f"{label} from {names[source]} to {names[target]}"
        for (source, target), label in zip(EDGES, labels, strict=True)
    )
    return _graph(_in_a_row(names), edges, summary)


@drawing.register
def _(space: DAGSpace, choices: np.ndarray) -> dict[str, Any]:
    names = ("in", *(name.replace("separable_3x3", "sep").replace("conv_1x1", "1×1") for name in space.operations))
    links = [edge for edge, present in zip(space.edges, choices, strict=True) if present]
    summary = "; ".join(f"node {target} reads node {source}" for source, target in links)
    return _graph(_in_a_row(names), [_edge(source, target) for source, target in links], summary)


@drawing.register
def _(space: NASBenchGraphSpace, choices: np.ndarray) -> dict[str, Any]:
    parents = [0, *choices[:N_LINKS].tolist()]
    names = [space.operations[option] for option in choices[N_LINKS:]]
    depth = [0]
    for parent in parents:
        depth.append(depth[parent] + 1)
    columns = max(depth) + 1
    nodes = [
        (depth[node] / columns, _spread(depth, node), "in" if node == 0 else names[node - 1])
        for node in range(len(depth))
    ]
    nodes.append((1.0, 0.5, "out"))
    output = len(nodes) - 1
    leaves = [node for node in range(1, output) if node not in parents]
    links = [*((parent, node) for node, parent in enumerate(parents, start=1)), *((leaf, output) for leaf in leaves)]
    summary = "; ".join(f"{nodes[target][2]} reads {nodes[source][2]}" for source, target in links)
    return _graph(nodes, [_edge(source, target) | {"bend": 0.0} for source, target in links], summary)


def _sides(layout: Layout) -> tuple[int, ...]:
    """Return the positions of an input in each dimension."""
    size = layout.input_size
    return size if isinstance(size, tuple) else (size,) * layout.dims


def _spread(depth: list[int], node: int) -> float:
    """Return the vertical position of a node among those as far from the input, from 0 to 1."""
    column = [other for other, far in enumerate(depth) if far == depth[node]]
    return (column.index(node) + 0.5) / len(column)


def _in_a_row(names: Sequence[str]) -> list[tuple[float, float, str]]:
    """Return nodes (x, y, label) side by side."""
    return [(node / (len(names) - 1), 0.5, name) for node, name in enumerate(names)]


def _edge(source: int, target: int, label: str = "", *, skipped: bool = False) -> dict[str, Any]:
    """Return an edge between nodes in a row: it bends around those between, up from even nodes and down from odd."""
    between = target - source - 1
    bend = between if source % 2 == 0 else -between
    return {"source": source, "target": target, "label": label, "skipped": skipped, "bend": float(bend)}


def _graph(nodes: Sequence[tuple[float, float, str]], edges: list[dict[str, Any]], summary: str) -> dict[str, Any]:
    named = [{"x": x, "y": y, "label": label} for x, y, label in nodes]
    return {"kind": "graph", "summary": summary, "nodes": named, "edges": edges}


@drawing.register
def _(space: PreciseSpace, choices: np.ndarray) -> dict[str, Any]:
    return drawing(space.plain, space.plain_choices(choices))
