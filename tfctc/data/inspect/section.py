"""Section of an inspection as plain values: text, tables, data of plots, and findings. `tfctc.report` draws it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfctc.io.names import abbreviated


class Part:
    """Base class of what a section holds: a table, the data of a plot, or a gallery."""


@dataclass(frozen=True)
class Finding:
    """A reason to look at the data before training.

    Args:
        problem: one sentence: the fault, and where it is.
        advice: one sentence: what to do about it.
        cells: ids of the cells concerned, the clearest first.
        groups: names of the patients or sites concerned.
    """

    problem: str
    advice: str
    cells: Sequence[str] = ()
    groups: Sequence[str] = ()

    def __str__(self) -> str:
        named = self.groups or self.cells
        where = f" ({abbreviated(named)})" if len(named) else ""
        return f"{self.problem.rstrip('.')}{where}. {self.advice}"


@dataclass(frozen=True)
class Table(Part):
    """A table; numbers in `rows` are shown as they are, floats with three digits.

    Args:
        title: what the rows are.
        headers: column names.
        rows: values of each row.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Histograms(Part):
    """Histograms of one quantity, one line for each group.

    Args:
        title: the quantity.
        axis: name of the horizontal axis.
        edges: ``(B + 1,)`` edges of the bins.
        shares: name of a group -> ``(B,)`` share of its values in each bin.
    """

    title: str
    axis: str
    edges: np.ndarray
    shares: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Intervals(Part):
    """Values with intervals, one below the other.

    Args:
        title: the quantity.
        axis: name of the horizontal axis.
        values: name -> (value, low, high); low and high are NaN without an interval.
        reference: value that means "nothing there".
        limit: value from which a finding is made, on both sides of the reference.
    """

    title: str
    axis: str
    values: Mapping[str, tuple[float, float, float]]
    reference: float
    limit: float


@dataclass(frozen=True)
class Shifts(Part):
    """Shifts in the image plane, in pixels: a point for each cell, a marker for each group's median.

    Args:
        title: the quantity.
        cells: ``(N, 2)`` down and right.
        groups: name -> (down, right) of its median.
        limit: distance from which a finding is made.
    """

    title: str
    cells: np.ndarray
    groups: Mapping[str, tuple[float, float]]
    limit: float


@dataclass(frozen=True)
class Gallery(Part):
    """Pictures of cells, bright-field beside DAPI.

    Args:
        title: what the cells have in common.
        cells: positions in the manifest; a tuple of positions is shown as one picture, side by side.
        captions: a short text below each picture.
    """

    title: str
    cells: Sequence[tuple[int, ...]]
    captions: Sequence[str]


@dataclass(frozen=True)
class Section:
    """One section of an inspection.

    Args:
        title: heading.
        place: order of the section on the page, ascending.
        text: one or two sentences: what was measured, and how to read it.
        summary: the result in a few words, for the terminal.
        parts: tables, plots and galleries, in order.
        findings: reasons to look at the data before training.
        values: the numbers for inspection.json.
    """

    title: str
    place: int
    text: str
    summary: str
    parts: Sequence[Part] = ()
    findings: Sequence[Finding] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
