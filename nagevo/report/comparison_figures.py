"""The figures of a comparison of strategies, drawn from the same content as its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nagevo.report.figures import DARK_GRAY, MEASURED, Content, Drawing, panel_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#3e3e3e", "#56B4E9", "#B8A800")
"""Colors of series, after Okabe and Ito."""
BLACK = "#000000"
MOST_COLORED = 5
"""Number of colored strategies where there are more strategies than colors."""
LEAST_MISSING = 1e-4
"""Smaller missing shares of the hypervolume are drawn as this one."""
NAME_HEIGHT = 0.05
"""Smallest distance of two names beside lines, as a share of the height of a panel."""


def compared_hypervolume(content: Content) -> Figure:
    """Return how much of the reference's hypervolume each strategy still missed, at the largest effort."""
    return _compared(content, "hypervolume", "evaluations", "missing share of the hypervolume", missing=True)


def compared_regret(content: Content) -> Figure:
    """Return the regret of each strategy over budgets, at the largest effort."""
    budget = f"budget ({content['unit']})" if content["unit"] else "budget"
    return _compared(content, "regret", budget, "regret (points of accuracy)")


def _compared(content: Content, name: str, x: str, y: str, *, missing: bool = False) -> Figure:
    """Return the median over the seeds of each strategy, one panel for each device.

    Few strategies have a color each, and a band from the lowest to the highest seed. Of many, those that reach the
    largest hypervolume are colored, random search is black, the others are gray, and there are no bands.
    With ``missing`` it shows 1 minus the values, on a logarithmic scale, where strategies can be told apart, and
    names each line at its end; otherwise a legend names the strategies, the one with the largest mean first.
    """

    def shown_as(values: list[float]) -> np.ndarray:
        return np.maximum(1.0 - np.array(values), LEAST_MISSING) if missing else np.array(values)

    colors, effort = _strategy_colors(content), content["efforts"][-1]
    figure, panels = panel_grid(len(content["devices"]), columns=2)
    for axes, device in zip(panels, content["devices"], strict=True):
        shown = [c for c in content[name] if (c["device"], c["evaluations"]) == (device, effort)]
        lines = []
        for curve in sorted(shown, key=lambda curve: float(np.mean(curve["median"])), reverse=True):
            color, colored = colors.get(curve["strategy"], MEASURED), curve["strategy"] in colors
            median, low, high = (shown_as(curve[key]) for key in ("median", "low", "high"))
            width, order = (1.8, 3) if colored else (0.8, 2)
            lines += axes.plot(curve["x"], median, color=color, lw=width, zorder=order, label=curve["strategy"])
            if len(content["strategies"]) <= len(SERIES):
                axes.fill_between(curve["x"], low, high, color=color, alpha=0.12, lw=0)
        axes.set(title=device, xlabel=x, ylabel=y, yscale="log" if missing else "linear")
        if missing:
            _name_at_the_end(axes, lines)
        else:
            axes.legend(handles=lines, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, handlelength=1.2)
    return figure


def _strategy_colors(content: Content) -> dict[str, str]:
    """Return a color for each strategy that is not gray."""
    strategies, effort = content["strategies"], content["efforts"][-1]
    if len(strategies) <= len(SERIES):
        return dict(zip(strategies, SERIES, strict=False))
    reached = {strategy: 0.0 for strategy in strategies}
    for row in content["metrics"]:
        if row["evaluations"] == effort:
            reached[row["strategy"]] += row["hypervolume_ratio"]
    best = sorted(strategies, key=reached.__getitem__, reverse=True)[:MOST_COLORED]
    return dict(zip(best, SERIES, strict=False)) | ({"random": BLACK} if "random" in strategies else {})


def _name_at_the_end(axes: Axes, lines: Sequence[Line2D]) -> None:
    """Write the label of each line beside its last point, in the order of these points and none over another."""
    axes.autoscale_view()
    ends = np.array([np.asarray(line.get_xydata())[-1] for line in lines])
    heights = (axes.transScale + axes.transLimits).transform(ends)[:, 1]
    for end, line, place in zip(ends, lines, _apart(heights, NAME_HEIGHT), strict=True):
        color = line.get_color() if line.get_color() != MEASURED else DARK_GRAY
        pointer = {"arrowstyle": "-", "color": color, "lw": 0.4, "shrinkA": 1, "shrinkB": 0, "relpos": (0.0, 0.5)}
        axes.annotate(
            str(line.get_label()), end, xytext=(1.06, place), textcoords="axes fraction", va="center", fontsize=7,
            color=color, annotation_clip=False, arrowprops=pointer,
        )  # fmt: skip


def _apart(places: np.ndarray, distance: float) -> np.ndarray:
    """Return the nearest places from 0 to 1, by least squares, that are so far apart and keep their order."""
    order = np.argsort(places, kind="stable")
    slack = distance * np.arange(len(places))
    wanted = places[order] - slack
    means = {(i, j): wanted[i : j + 1].mean() for i in range(len(wanted)) for j in range(i, len(wanted))}
    rising = [max(min(means[i, j] for j in range(k, len(wanted))) for i in range(k + 1)) for k in range(len(wanted))]
    result = np.empty(len(places))
    result[order] = np.clip(rising, 0.0, 1.0 - slack[-1]) + slack
    return result


COMPARED: Mapping[str, Drawing] = {"hypervolume": compared_hypervolume, "regret": compared_regret}
"""Drawings of a comparison's content, by name of the file."""
