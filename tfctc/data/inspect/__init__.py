"""Inspection of a data set before training: faults of the images, leaks and shortcuts that metrics do not show.

A check is one class in one module, with one registration: the numbers that it takes from each cell, and the section
that it writes from the numbers of all cells. Every cell is read once, for all checks together.
"""

from tfctc.data.inspect.check import CHECKS, Check
from tfctc.data.inspect.section import Finding, Gallery, Histograms, Intervals, Part, Section, Shifts, Table
from tfctc.data.inspect.survey import Survey, take_survey

__all__ = [
    "CHECKS",
    "Check",
    "Finding",
    "Gallery",
    "Histograms",
    "Intervals",
    "Part",
    "Section",
    "Shifts",
    "Survey",
    "Table",
    "take_survey",
]
