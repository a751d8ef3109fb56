"""Metrics of single patients and sites as forest plots."""

from collections.abc import Sequence

from tfctc.data.inspect import Section, Table
from tfctc.evaluation.groups import GroupMetrics
from tfctc.io.names import plural
from tfctc.report.parts import Forest
from tfctc.report.sections.base import SECTIONS, Material, RunSection, shown, triple

#: Most rows of a forest plot, and of the table.
MOST_ROWS, MOST_TABLE = 30, 100


@SECTIONS.register("groups")
class Groups(RunSection):
    """Recall and specificity by patient and by site, each with its exact binomial interval."""

    def section(self, material: Material) -> Section:
        found, parts = material.evaluation, []
        text = (
            f"Bars are exact binomial {found.level:.0%} intervals: they count cells and say nothing about other "
            f"{plural(material.group)}. The line and its band are all {plural(material.group)} together."
        )
        for groups, name in ((found.by_site, "site"), (found.by_patient, material.group)):
            for metric in ("recall", "specificity"):
                rows = [(_name(one), *values) for one in groups if (values := getattr(one, metric))]
                rows.sort(key=lambda row: (row[1], row[3]))
                if not rows:
                    continue
                title = f"{metric} by {name}"
                if len(rows) > MOST_ROWS:
                    title += f": the {MOST_ROWS} lowest of {len(rows)}"
                value, low, high = triple(found.metrics[metric])
                overall = None if value != value else (value, low, high)
                parts.append(Forest(title, metric, rows[:MOST_ROWS], overall))
        tables = []
        for groups, name in ((found.by_site, "site"), (found.by_patient, material.group)):
            if groups:
                tables.append(_table(groups, name, found.classes[1]))
        if len(found.by_patient) > MOST_TABLE:
            text += f" The table has the {MOST_TABLE} with most cells; evaluation.json has all."
        return Section(f"By {material.group} and site", 70, text, "", (*parts, *tables))


def _table(groups: Sequence[GroupMetrics], name: str, positive: str) -> Table:
    largest = sorted(groups, key=lambda one: -one.cells)[:MOST_TABLE]
    rows = [
        (
            one.name or "not named",
            one.site,
            one.cells,
            one.positives,
            one.calls,
            shown(one.recall and one.recall[0]),
            shown(one.specificity and one.specificity[0]),
            shown(one.auroc),
        )
        for one in largest
    ]
    headers = (name, "site", "cells", positive, f"called {positive}", "recall", "specificity", "AUROC")
    return Table(f"by {name}", headers, rows)


def _name(group: GroupMetrics) -> str:
    return f"{group.name or 'not named'} ({group.cells:,})"
