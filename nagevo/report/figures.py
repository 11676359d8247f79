"""The figures of an experiment for papers, each as SVG and as PNG, drawn from the same content as the page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nagevo.foundation.writing import replacing_folder
from nagevo.report.content import steps_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GENERATOR, BEST, PREDICTED, MEASURED, DARK_GRAY = "#0072B2", "#E69F00", "#CC79A7", "#8A8F96", "#595e66"
"""After Okabe and Ito; shapes tell the same things apart."""
METHODS = {
    "best_measured": ("best measured network", BEST, "s", 5.5),
    "generator": ("generator", GENERATOR, "o", 3.5),
}
"""Name, color, marker and its size; the generator last, on top of equal answers."""
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e3de",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "nagevo",
    "svg.fonttype": "none",
}
FIGURES = "figures.json"
"""Manifest of the folder, by which nagevo recognizes the files that it wrote."""
PANEL_INCHES = (4.4, 3.5)
DPI = 200
MOST_STAGES = 14

Content = Mapping[str, Any]
Drawing = Callable[[Content], "Figure"]


def write_figures(content: Content, folder: str | os.PathLike, drawings: Mapping[str, Drawing]) -> None:
    """Write drawings of a content, by name, as ``<folder>/<name>.svg`` and ``.png``; equal contents, equal bytes."""
    import matplotlib

    formats = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    with matplotlib.rc_context(STYLE), replacing_folder(folder, FIGURES) as new:
        for name, draw in drawings.items():
            figure = draw(content)
            for suffix, metadata in formats.items():
                figure.savefig(new / f"{name}.{suffix}", dpi=DPI, metadata=metadata, bbox_inches="tight")


def frontier(content: Content) -> Figure:
    """Return for each device what was measured, the predicted frontier, and the answer to each budget."""
    figure, panels = panel_grid(len(content["devices"]))
    for axes, device in zip(panels, content["devices"], strict=True):
        words, unit = device["quantity"]["words"], device["quantity"]["unit"]
        shown, steps = device["view"], steps_at(device, content["confidence"])
        measured, predicted, best = device["measured"], device["frontier"], device["best_measured"]
        axes.scatter(measured["value"], measured["accuracy"], s=9, color=MEASURED, alpha=0.6, lw=0, label="measured")
        axes.scatter(
            *(predicted[name] for name in ("value", "accuracy")),
            s=15, marker="D", facecolor="white", edgecolor=PREDICTED, lw=0.9, label="predicted frontier",
        )  # fmt: skip
        right = shown["value"][1]
        _steps(axes, best["value"], best["accuracy"], right, color=BEST, label="best measured network, no margin")
        label = f"generator's answer at confidence {content['confidence']:g}"
        _steps(axes, steps["bound"], steps["accuracy"], right, color=GENERATOR, lw=1.8, label=label)
        _plot_again(axes, device["again"], "measured", "test_accuracy", ("best_measured", "generator"))
        axes.set(xlim=shown["value"], ylim=shown["accuracy"], ylabel="accuracy (%)")
        axes.set(title=device["name"], xlabel=f"{words} or budget on {device['name']} ({unit})")
        axes.legend(loc="lower right")
    return figure


def hypervolume(content: Content) -> Figure:
    """Return how the hypervolume grew with the evaluations on each device."""
    figure, panels = panel_grid(len(content["devices"]))
    label = f"search ({content['strategy']})"
    for axes, device in zip(panels, content["devices"], strict=True):
        curve = device["hypervolume"]
        axes.step(curve["evaluations"], curve["ratio"], where="post", color=GENERATOR, label=label)
        axes.set(title=device["name"], xlabel="evaluations", ylabel="share of the hypervolume of all that was measured")
        axes.legend(loc="lower right")
    return figure


def predictions(content: Content) -> Figure:
    """Return predicted against measured values of architectures left out of the fits of the surrogates."""
    quantities = [("accuracy", "%", content["prediction"])]
    for device in content["devices"]:
        measured = device["quantity"]
        quantities.append((f"{measured['words']} on {device['name']}", measured["unit"], device["prediction"]))
    figure, panels = panel_grid(len(quantities))
    for axes, (quantity, unit, values) in zip(panels, quantities, strict=True):
        axes.scatter(values["measured"], values["predicted"], s=10, color=GENERATOR, alpha=0.6, lw=0)
        axes.axline((values["measured"][0],) * 2, slope=1, color=DARK_GRAY, lw=0.8, ls="--")
        axes.set(title=f"{quantity}: mean error {values['mean_error']:.3g} {'points' if unit == '%' else unit}")
        axes.set(xlabel=f"measured ({unit})", ylabel=f"predicted ({unit})")
    return figure


def again(content: Content) -> Figure:
    """Return for each device the latency and the test accuracy of the answers when measured again."""
    devices = content["devices"]
    figure, panels = panel_grid(2 * len(devices), columns=2)
    for (left, right), device in zip(panels.reshape(-1, 2), devices, strict=True):
        for axes, column in ((left, "measured"), (right, "test_accuracy")):
            _plot_again(axes, device["again"], "budget", column, METHODS)
        budgets = np.array(device["again"]["budget"], dtype=float)
        low, high = budgets.min(), budgets.max()
        left.plot([low, high], [low, high], color=DARK_GRAY, lw=0.8, ls="--", label="the budget")
        words, unit = device["quantity"]["words"], device["quantity"]["unit"]
        left.set(title=device["name"], xlabel=f"budget ({unit})", ylabel=f"{words}, measured again ({unit})")
        right.set(title=device["name"], xlabel=f"budget ({unit})", ylabel="test accuracy (%)")
        left.legend(loc="upper left")
    return figure


def stages(content: Content) -> Figure:
    """Return how long each stage took, summed over its jobs."""
    names, seconds = (content["stages"][column][:MOST_STAGES] for column in ("stage", "wall_s"))
    figure, (axes,) = panel_grid(1)
    axes.barh(names, seconds, color=GENERATOR)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="time, summed over the jobs of a stage (s)")
    return figure


REPORTED: Mapping[str, Drawing] = {
    "frontier": frontier,
    "hypervolume": hypervolume,
    "predictions": predictions,
    "again": again,
    "stages": stages,
}
"""Drawings of an experiment's content, by name of the file."""


def panel_grid(n: int, columns: int = 3) -> tuple[Figure, np.ndarray]:
    """Return a figure and its n axes, at most ``columns`` side by side."""
    from matplotlib.figure import Figure

    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure(figsize=(columns * PANEL_INCHES[0], rows * PANEL_INCHES[1]), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in panels[n:]:
        unused.remove()
    return figure, panels[:n]


def _plot_again(axes: Axes, again: Mapping[str, list[Any]], x: str, y: str, methods: Iterable[str]) -> None:
    """Draw two columns of what was measured again: answers that kept their budget as points, broken ones as crosses."""
    answers = {name: np.array(again[name], dtype=object) for name in ("method", "budget", "measured", x, y)}
    measured, budget = answers["measured"].astype(float), answers["budget"].astype(float)
    for method in methods:
        label, color, marker, size = METHODS[method]
        for broken, shape in ((False, marker), (True, "x")):
            rows = (answers["method"] == method) & ((measured > budget) == broken)
            if broken and not rows.any():
                continue
            fill = color if method == "generator" else "none"
            words = f"{label}, budget broken" if broken else f"{label}, measured again"
            values = (answers[name][rows].astype(float) for name in (x, y))
            axes.plot(*values, shape, color=color, mfc=fill, ms=size, label=words)


def _steps(axes: Axes, values: list[float], accuracy: list[float], right: float, **style: Any) -> None:
    """Draw the best accuracy under each latency up to the right edge."""
    axes.step([*values, max(right, values[-1])], [*accuracy, accuracy[-1]], where="post", **style)
