"""Drawing of the plots of a run's page on axes of Matplotlib."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tfctc.report.colours import INK, MUTED, series
from tfctc.report.parts import Forest, Lines, Spread

#: Longest name of a row.
MOST_LETTERS = 32


def draw_lines(ax: Axes, plot: Lines) -> None:
    """Lines with their bands or bars, the diagonal, and the point with its intervals."""
    if plot.diagonal:
        ax.plot((0, 1), (0, 1), color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    if plot.level is not None:
        ax.axhline(plot.level, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    for i, (name, line) in enumerate(plot.lines.items()):
        style: dict[str, Any] = {
            "color": series(i),
            "linewidth": 1.6,
            "marker": "o" if line.markers else None,
            "markersize": 3.5,
        }
        ax.plot(line.x, line.y, label=name or None, **style)
        if line.low is not None and line.high is not None:
            if line.bars:
                ax.vlines(line.x, line.low, line.high, color=series(i), linewidth=1.2, alpha=0.7)
            else:
                ax.fill_between(line.x, line.low, line.high, color=series(i), alpha=0.18, linewidth=0)
    if plot.cross:
        (x, left, right), (y, low, high) = plot.cross.x, plot.cross.y
        ax.plot((left, right), (y, y), color=INK, linewidth=1.2)
        ax.plot((x, x), (low, high), color=INK, linewidth=1.2)
        ax.plot(x, y, "o", color=INK, markersize=5, label=plot.cross.name)
    if plot.square:
        ax.set_xlim(-0.01, 1.01)
        ax.set_ylim(-0.01, 1.01)
        ax.set_aspect("equal")
    elif plot.range:
        ax.set_ylim(*plot.range)
    ax.set_xlabel(plot.axes[0])
    ax.set_ylabel(plot.axes[1])
    if (len(plot.lines) > 1 or plot.cross) and ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize=8, handlelength=1.2)


def draw_forest(ax: Axes, plot: Forest) -> None:
    """A row for each value, with the value of all together as a vertical line and a band."""
    if plot.overall:
        value, low, high = plot.overall
        if np.isfinite([low, high]).all():
            ax.axvspan(low, high, color=series(1), alpha=0.15, linewidth=0)
        ax.axvline(value, color=series(1), linewidth=1.2)
    for row, (_, value, low, high) in enumerate(plot.rows):
        ax.plot((low, high), (row, row), color=series(0), linewidth=1.6, solid_capstyle="butt")
        ax.plot(value, row, "s", color=series(0), markersize=4)
    _name_rows(ax, [name for name, *_ in plot.rows], plot.axis)


def draw_spread(ax: Axes, plot: Spread) -> None:
    """A row for each quantity: its value over all with a bar, and the points below it."""
    for row, (_, points, (value, low, high)) in enumerate(plot.rows):
        ax.plot((low, high), (row - 0.15, row - 0.15), color=series(0), linewidth=1.6, solid_capstyle="butt")
        ax.plot(value, row - 0.15, "s", color=series(0), markersize=4)
        heights = np.full(len(points), row + 0.18)
        ax.plot(points, heights, "o", color=series(1), markersize=3.5, alpha=0.6, markeredgewidth=0)
    _name_rows(ax, [name for name, *_ in plot.rows], plot.axis)


def _name_rows(ax: Axes, names: Sequence[str], axis: str) -> None:
    """Names the rows, from top to bottom, above a horizontal axis from 0 to 1."""
    names = [name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…" for name in names]
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel(axis)
