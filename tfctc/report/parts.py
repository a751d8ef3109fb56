"""Plots of the page of a run as plain values; `tfctc.report.run_plots` draws them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfctc.data.inspect import Part


@dataclass(frozen=True)
class Line:
    """One line of `Lines`.

    Args:
        x, y: ``(K,)`` its points.
        low, high: ``(K,)`` band around it; None without one.
        markers: whether its points are marked.
        bars: whether the band is drawn as a bar at each point.
    """

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    markers: bool = False
    bars: bool = False


@dataclass(frozen=True)
class Cross:
    """A point of `Lines` with its intervals.

    Args:
        name: name in the legend.
        x, y: (value, low, high); low and high are NaN without an interval.
    """

    name: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]


@dataclass(frozen=True)
class Lines(Part):
    """Lines over one axis.

    Args:
        title: the quantity.
        axes: names of the horizontal and the vertical axis.
        lines: name -> line; an empty name is not in the legend.
        cross: a point with intervals.
        diagonal: whether the diagonal is drawn.
        level: a horizontal line to compare with.
        square: whether both axes go from 0 to 1, with the same scale.
        range: ends of the vertical axis; None fits the lines.
    """

    title: str
    axes: tuple[str, str]
    lines: Mapping[str, Line]
    cross: Cross | None = None
    diagonal: bool = False
    level: float | None = None
    square: bool = False
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Forest(Part):
    """Values with intervals, one below the other, and that of all together.

    Args:
        title: the quantity.
        axis: name of the horizontal axis.
        rows: (name, value, low, high), from top to bottom.
        overall: (value, low, high) of all together; None if undefined. NaN without an interval.
    """

    title: str
    axis: str
    rows: Sequence[tuple[str, float, float, float]]
    overall: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Spread(Part):
    """Several values of each quantity as points, and its value over all with an interval.

    Args:
        title: the quantities.
        axis: name of the horizontal axis.
        rows: (name, points ``(K,)``, (value, low, high)), from top to bottom; NaN where undefined.
    """

    title: str
    axis: str
    rows: Sequence[tuple[str, np.ndarray, tuple[float, float, float]]]
