"""Metrics and confusion matrix."""

from tfctc.data.inspect import Section, Table
from tfctc.report.sections.base import SECTIONS, Material, RunSection, shown


@SECTIONS.register("metrics")
class Metrics(RunSection):
    """Every metric with its interval, and the confusion matrix as counts and shares."""

    def section(self, material: Material) -> Section:
        found = material.evaluation
        headers = ("metric", "value", "low", "high", "note")
        rows = [
            (name.replace("_", " "), shown(one.value), shown(one.low), shown(one.high), one.reason)
            for name, one in found.metrics.items()
        ]
        parts = [Table("metrics of the student", headers, rows), _confusion(material)]
        if material.teacher:
            rows = [
                (name.replace("_", " "), shown(one.value), shown(one.low), shown(one.high), one.reason)
                for name, one in material.teacher.metrics.items()
            ]
            title = f"metrics of the teacher, on {material.teacher.cells:,} cells"
            parts.append(Table(title, headers, rows))
        text = (
            f"Low and high are the ends of the {found.level:.0%} interval by {material.group} ({found.interval}). "
            f"A cell is called {found.classes[1]} from a probability of {found.threshold:.4f} (rule: {found.rule})."
        )
        return Section("Metrics", 10, text, "", parts)


def _confusion(material: Material) -> Table:
    negative, positive = material.evaluation.classes
    rows = []
    for name, counts in zip((negative, positive), material.evaluation.confusion, strict=True):
        total = sum(counts)
        shares = [f"{count:,} ({count / total:.1%})" if total else "0" for count in counts]
        rows.append((name, *shares, total))
    return Table("confusion: true class by call", ("true", f"called {negative}", f"called {positive}", "cells"), rows)
