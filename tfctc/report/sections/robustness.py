"""Robustness: the student on images that are changed more and more."""

from dataclasses import asdict

import numpy as np

from tfctc.data.inspect import Section, Table
from tfctc.evaluation.robustness import CHANGES, RobustnessPoint, worst
from tfctc.report.parts import Line, Lines
from tfctc.report.sections.base import SECTIONS, Material, RunSection, shown


@SECTIONS.register("robustness")
class Robustness(RunSection):
    """A plot for each change; the worst one is named."""

    def section(self, material: Material) -> Section | None:
        if material.studies is None or not material.studies.robustness:
            return None
        points = material.studies.robustness
        clean, lowest = points[0], worst(points)
        measure = "auroc" if clean.metrics["auroc"] is not None else "same_call"
        names = {"auroc": "AUROC", "f1": "F1", "same_call": "same call"}
        parts: list[Lines | Table] = []
        for change in CHANGES:
            chosen = [point for point in points if point.change == change.name]
            chosen = sorted([*chosen, clean], key=lambda p: change.neutral if p is clean else p.strength)
            x = np.array([change.neutral if point is clean else point.strength for point in chosen])
            lines = {}
            for name, label in names.items():
                y = np.array([_number(point.metrics[name]) for point in chosen])
                if np.isfinite(y).any():
                    lines[label] = Line(x, y, markers=True)
            parts.append(Lines(change.name, (change.unit, ""), lines, range=(0, 1.02)))
        rows = [
            (
                f"{point.change} {point.strength:g} {point.unit}" if point.change != "none" else "none",
                *(shown(point.metrics[name]) for name in names),
                _change(point),
            )
            for point in points
        ]
        headers = ("change", *names.values(), "AUROC minus that without")
        parts.append(Table("all strengths", headers, rows))
        before, after = clean.metrics[measure] or 0.0, lowest.metrics[measure] or 0.0
        text = (
            f"The worst of these changes is {lowest.change} of {lowest.strength:g} ({lowest.unit}): {names[measure]} "
            f"{before:.3f} without it, {after:.3f} with it. Measured on {material.studies.cells:,} test cells, as many "
            "of each class as possible, at the threshold of the evaluation; each image is changed in the computer. "
            '"Same call" is the share of cells that are called as without the change.'
        )
        values = {"cells": material.studies.cells, "points": [asdict(point) for point in points]}
        return Section("Robustness", 100, text, "", parts, values=values)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _change(point: RobustnessPoint) -> str:
    if point.auroc_change is None or point.change == "none":
        return ""
    return "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**point.auroc_change)
