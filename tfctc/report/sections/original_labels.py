"""Recall of each original label, where there are more labels than two classes."""

from tfctc.data.inspect import Section, Table
from tfctc.evaluation.evaluate import number_text
from tfctc.io.names import plural
from tfctc.report.parts import Forest
from tfctc.report.sections.base import SECTIONS, Material, RunSection

#: Most rows of the table and of the plot.
MOST_ROWS = 30


@SECTIONS.register("original_labels")
class OriginalLabels(RunSection):
    """Calls of the cells of each label that the data set was imported with."""

    def section(self, material: Material) -> Section | None:
        found = material.evaluation.by_label[:MOST_ROWS]
        if not found:
            return None
        classes = list(found[0].calls)
        rows = [
            (
                one.name,
                one.truth,
                one.cells,
                one.patients,
                *(one.calls.get(name, 0) for name in classes),
                number_text(one.recall.value),
                one.recall.reason or f"{number_text(one.recall.low)} to {number_text(one.recall.high)}",
            )
            for one in found
        ]
        calls = (f"called {name}" for name in classes)
        interval = f"{material.evaluation.level:.0%} interval"
        headers = ("label", "class", "cells", plural(material.group), *calls, "recall", interval)
        bars = [
            (f"{one.name} ({one.cells:,})", one.recall.value, one.recall.low, one.recall.high)
            for one in found
            if one.recall.value is not None and one.recall.low is not None and one.recall.high is not None
        ]
        plots = (Forest("recall by original label", "recall", bars, None),) if bars else ()
        text = (
            "Labels as they were imported, before several of them became one class. Recall is the share that is called "
            f"that class; for a class that the model lacks, the share that is not called {classes[1]}."
        )
        return Section("By original label", 65, text, "", (*plots, Table("by original label", headers, rows)))
