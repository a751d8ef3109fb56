"""Folds of a cross-validated run: metrics of each fold, and their spread."""

import numpy as np

from tfctc.data.inspect import Part, Section, Table
from tfctc.evaluation.cross_validation import CrossValidation
from tfctc.io.names import abbreviated, plural
from tfctc.report.parts import Spread
from tfctc.report.sections.base import SECTIONS, Material, RunSection, shown, triple

#: Most rows of the table of the folds.
MOST_ROWS = 100
#: Keys of the spread, and headers of their columns.
SPREAD = {"mean": "mean", "sd": "SD", "low": "lowest", "high": "highest", "folds": "folds"}


@SECTIONS.register("folds")
class Folds(RunSection):
    """A plot of the metrics by fold, and tables of their spread, of the repeats and of the folds."""

    def section(self, material: Material) -> Section | None:
        found = material.cross_validation
        if found is None:
            return None
        groups, each = plural(material.group), len(found.folds) // found.repeats
        again = f", {found.repeats} times with other folds" if found.repeats > 1 else ""
        text = (
            f"{each} folds{again}: each {material.group} was tested by a model trained without it. Squares and bars "
            f"are the metrics over all {groups} with their intervals; dots are single folds. The spread over the folds "
            f"is no interval: the folds share training cells, and a fold tests few {groups}."
        )
        low, high = found.thresholds
        text += f" Each fold has its own threshold, from {low:.4f} to {high:.4f}."
        if len(found.folds) > MOST_ROWS:
            text += f" The table of the folds has the first {MOST_ROWS} of {len(found.folds)}; evaluation.json has all."
        parts: list[Part] = [_plot(found), _spread(found)]
        if found.repeats > 1:
            headers = ("metric", *(f"repeat {number + 1}" for number in range(found.repeats)))
            rows = [(_word(name), *map(shown, values)) for name, values in found.repeated.items()]
            parts.append(Table("over all cells, by repeat", headers, rows))
        parts.append(_folds(found))
        return Section("Folds", 60, text, "", parts)


def _plot(found: CrossValidation) -> Spread:
    rows = []
    for name, estimate in found.metrics.items():
        values = [fold["metrics"].get(name) for fold in found.folds]
        rows.append((_word(name), np.array([value for value in values if value is not None], float), triple(estimate)))
    return Spread("metrics of the folds, and over all", "metric", rows)


def _spread(found: CrossValidation) -> Table:
    rows = []
    for name, one in found.metrics.items():
        spread = found.spread.get(name, {})
        values = (one.value, one.low, one.high, *(spread.get(key) for key in SPREAD))
        rows.append((_word(name), *map(shown, values)))
    headers = ("metric", "over all", "low", "high", *SPREAD.values())
    return Table("spread over the folds", headers, rows)


def _folds(found: CrossValidation) -> Table:
    rows = []
    for fold in found.folds[:MOST_ROWS]:
        values = (shown(fold["metrics"].get(name)) for name in found.metrics)
        tested, cells = abbreviated(fold.get("tested", ())), shown(fold.get("cells", {}).get("test"))
        rows.append((fold["repeat"] + 1, fold["fold"] + 1, tested, cells, shown(fold.get("threshold")), *values))
    headers = ("repeat", "fold", "tested", "cells", "threshold", *map(_word, found.metrics))
    return Table("by fold", headers, rows)


def _word(name: str) -> str:
    return name.replace("_", " ")
