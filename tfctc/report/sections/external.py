"""Other data sets on which the frozen model was evaluated."""

from tfctc.data.inspect import Section, Table
from tfctc.report.sections.base import SECTIONS, Material, RunSection, shown

METRICS = ("auroc", "f1", "recall", "specificity")


@SECTIONS.register("external")
class External(RunSection):
    """A row for each data set in the folder `external` of the run."""

    def section(self, material: Material) -> Section | None:
        if not material.external:
            return None
        rows = []
        for name, found in material.external.items():
            data = f"{found.data or name}{' (SIMULATED)' if found.simulated else ''}"
            values = [found.metrics.get(metric) for metric in METRICS]
            rows.append((data, found.cells, found.patients, *(shown(one and one.value) for one in values)))
        headers = ("data set", "cells", "patients", "AUROC", "F1", "recall", "specificity")
        text = "The frozen model at its frozen threshold, on data sets that it was neither trained nor chosen on."
        return Section("Other data sets", 110, text, "", (Table("by data set", headers, rows),))
