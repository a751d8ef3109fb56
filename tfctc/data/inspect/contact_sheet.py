"""Contact sheet: a few cells of each label, from as many patients and sites as possible."""

import numpy as np

from tfctc.cells import NO_LABEL
from tfctc.data.inspect.check import CHECKS, Check
from tfctc.data.inspect.section import Gallery, Section
from tfctc.data.inspect.survey import Survey

#: Number of cells of each label on the sheet.
SHOWN = 12


@CHECKS.register("contact-sheet")
class ContactSheet(Check):
    """Bright-field beside DAPI."""

    def section(self, survey: Survey) -> Section:
        facts, labels = survey.manifest.facts, survey.column("label")
        rng = np.random.default_rng(survey.seed)
        parts = []
        for name in (*facts.labels, NO_LABEL):
            rows = np.flatnonzero(labels == ("" if name == NO_LABEL else name))
            if len(rows):
                shown = varied(rows, survey.column("site"), survey.column("patient_id"), SHOWN, rng)
                cells = [survey.cell(row) for row in shown]
                captions = [" · ".join(filter(None, (cell.cell_id, cell.patient_id, cell.site))) for cell in cells]
                parts.append(Gallery(name, [(int(survey.cells[row]),) for row in shown], captions))
        text = "A random choice of cells, over several patients and sites: bright-field at the left, DAPI at the right."
        return Section("Contact sheet", 20, text, "", parts)


def varied(
    rows: np.ndarray, sites: np.ndarray, patients: np.ndarray, count: int, rng: np.random.Generator
) -> list[int]:
    """Up to `count` of `rows`, taken in turn from the sites, and within a site in turn from its patients.

    Args:
        rows: rows to choose from.
        sites, patients: site and patient of every row of the survey.
        count: number of rows wanted.
        rng: source of the choice.
    """
    order = rng.permutation(rows)
    turns: dict[tuple, int] = {}
    in_patient, in_site = [], []
    for row in order:
        in_patient.append(turns.setdefault((sites[row], patients[row]), 0))
        turns[sites[row], patients[row]] += 1
    by_patient = np.argsort(in_patient, kind="stable")
    for row in order[by_patient]:
        in_site.append(turns.setdefault((sites[row],), 0))
        turns[(sites[row],)] += 1
    by_site = np.argsort(in_site, kind="stable")
    return [int(row) for row in order[by_patient][by_site][:count]]
