"""Plots as SVG elements of an HTML page, in the colours of its styles, so that they suit light and dark."""

import html
import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from tfctc.data.inspect import Histograms, Intervals, Shifts
from tfctc.report.colours import COLOURS, INK, LIMIT, MUTED, SERIES, series
from tfctc.report.parts import Forest, Lines, Spread
from tfctc.report.run_plots import draw_forest, draw_lines, draw_spread

#: Share of the highest bin below which a bin at the end of the axis is not shown.
HARDLY = 0.002
#: Ticks of an axis whose bins have equal widths in the root.
ROOT_TICKS = (0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1)
STYLE = {
    "svg.fonttype": "none",
    # A name with dollar signs is no formula.
    "text.parse_math": False,
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


def draw(plot: Any, name: str) -> str:
    """A plot as an ``<svg>`` element without any reference to another file.

    Args:
        plot: the data, of a type in `DRAWN`.
        name: text that differs between the plots of a page; ids inside the element are made from it.
    """
    function, height = DRAWN[type(plot)]
    with rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser's fonts are used, so that Matplotlib's may lack a letter of a name.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=(5.2, height(plot)), layout="constrained")
        function(figure.subplots(), plot)
        file = io.StringIO()
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=metadata)
    return _themed(file.getvalue(), plot.title)


def _themed(svg: str, title: str) -> str:
    """The ``<svg>`` element alone, with the page's colours and fonts, without what HTML does not need."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    # Only ids that are referred to are kept: the others are the same in every plot.
    used = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r"font: (\S+) [^;\"]*", r"font-size: \1", svg)
    for drawn, shown in COLOURS.items():
        svg = svg.replace(drawn, shown)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)


def _histograms(ax: Axes, plot: Histograms) -> None:
    shares = np.array(list(plot.shares.values()))
    # The axis ends where there is hardly anything, so that a dark channel is not drawn as one line.
    visible = (shares > HARDLY * shares.max()).any(axis=0) if shares.size else np.zeros(len(plot.edges) - 1, bool)
    inside = np.flatnonzero(visible) if visible.any() else np.arange(len(visible))
    low, high = plot.edges[inside[0]], plot.edges[inside[-1] + 1]
    for i, (name, one) in enumerate(plot.shares.items()):
        ax.stairs(one, plot.edges, color=series(i), label=name, linewidth=1.3)
    if not np.allclose(np.diff(plot.edges), plot.edges[1] - plot.edges[0]):
        # Bins of equal width in the root are drawn with equal widths, so that areas are shares.
        ax.set_xscale("function", functions=(np.sqrt, np.square))
        if sum(low <= tick <= high for tick in ROOT_TICKS) > 3:
            ax.xaxis.set_major_locator(FixedLocator(ROOT_TICKS))
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlim(low, high)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(plot.axis)
    ax.set_ylabel("share")
    if len(plot.shares) > 1:
        ax.legend(fontsize=8, handlelength=1.2)


def _intervals(ax: Axes, plot: Intervals) -> None:
    names = list(plot.values)
    for row, name in enumerate(names):
        value, low, high = plot.values[name]
        if np.isfinite([low, high]).all():
            ax.plot((low, high), (row, row), color=series(0), linewidth=2, solid_capstyle="butt")
        ax.plot(value, row, "o", color=series(0), markersize=5)
    ax.axvline(plot.reference, color=MUTED, linewidth=0.8)
    for limit in (plot.reference - plot.limit, plot.reference + plot.limit):
        ax.axvline(limit, color=LIMIT, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.set_xlim(plot.reference - 0.5, plot.reference + 0.5)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(plot.axis)


def _shifts(ax: Axes, plot: Shifts) -> None:
    # A picture of more points would be a larger file and show no more.
    step = max(1, len(plot.cells) // 1500)
    down, right = plot.cells[::step].T
    ax.plot(right, down, ".", color=MUTED, markersize=2.5, alpha=0.35, markeredgewidth=0)
    angle = np.linspace(0, 2 * np.pi, 100)
    ax.plot(plot.limit * np.cos(angle), plot.limit * np.sin(angle), color=LIMIT, linewidth=0.9, linestyle=(0, (4, 3)))
    markers = list(plot.groups.items())
    few = len(markers) <= SERIES
    for i, (name, (row, column)) in enumerate(markers):
        ax.plot(
            column, row, "o", color=series(i if few else 0), markersize=6 if few else 4, label=name if few else None
        )
    reach = max(5.0, *(1.3 * np.hypot(*one) for _, one in markers)) if markers else 5.0
    ax.set_xlim(-reach, reach)
    ax.set_ylim(reach, -reach)
    ax.set_aspect("equal")
    ax.set_xlabel("right, pixels")
    ax.set_ylabel("down, pixels")
    if few and markers:
        ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), handlelength=1)


#: Type of a plot -> function that draws it, and height in inches by its data.
DRAWN: dict[type, tuple[Callable[[Axes, Any], None], Callable[[Any], float]]] = {
    Histograms: (_histograms, lambda plot: 2.5),
    Intervals: (_intervals, lambda plot: 0.28 * len(plot.values) + 0.8),
    Shifts: (_shifts, lambda plot: 3.6),
    Lines: (draw_lines, lambda plot: 4.4 if plot.square else 2.8),
    Forest: (draw_forest, lambda plot: 0.22 * len(plot.rows) + 0.8),
    Spread: (draw_spread, lambda plot: 0.36 * len(plot.rows) + 0.8),
}
