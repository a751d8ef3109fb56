"""Counts of the cells by patient, site, label and channel."""

import numpy as np

from tfctc.cells import NO_LABEL, OTHER, OTHER_INDEX, DatasetFacts
from tfctc.data.inspect.check import CHECKS, Check
from tfctc.data.inspect.section import Finding, Section, Table
from tfctc.data.inspect.survey import Survey
from tfctc.io.names import abbreviated, counted

#: Number of labelled cells below which a patient is called small.
FEW = 10
#: Difference between the classes, in shares of cells with DAPI, from which having DAPI tells the label.
UNEVEN = 0.2
#: Longest table; patients beyond are left out of the page, not of inspection.json.
MOST_ROWS = 60


@CHECKS.register("counts")
class Counts(Check):
    """Counts of all cells of the manifest, also of those whose images were not read."""

    def section(self, survey: Survey) -> Section:
        facts, index = survey.manifest.facts, survey.manifest.index
        names = (*facts.labels, NO_LABEL)
        label = index.coded("label", {name: i for i, name in enumerate(facts.labels)}, len(facts.labels))
        dapi = index.texts["dapi"] != ""
        by_patient, by_site = (
            _table(index.codes[column], len(index.names[column]), label, dapi, len(names))
            for column in ("patient_id", "site")
        )
        total = np.bincount(label, minlength=len(names))
        with_dapi = np.bincount(label, dapi, minlength=len(names))
        patients, group = index.names["patient_id"], facts.group
        labelled = by_patient[:, :2]
        one_class = [patients[i] for i in np.flatnonzero((labelled > 0).sum(axis=1) == 1)]
        few = [patients[i] for i in np.flatnonzero((labelled.sum(axis=1) > 0) & (labelled.sum(axis=1) < FEW))]
        no_dapi = [patients[i] for i in np.flatnonzero(by_patient[:, -1] == 0)]
        headers = (*names, "with DAPI")
        by_label = list(zip(names, total, with_dapi.astype(int), strict=True))
        parts = [Table("Cells by label", ("label", "cells", "with DAPI"), by_label)]
        if len(index.names["site"]) > 1:
            rows = [(name or "no site", *row) for name, row in zip(index.names["site"], by_site, strict=True)]
            parts.append(Table("Cells by site", ("site", *headers), rows))
        order = sorted(range(len(patients)), key=lambda i: (labelled[i].sum(), patients[i]))
        rows = [(patients[i], *by_patient[i]) for i in order[:MOST_ROWS]]
        title = f"Cells by {group}" + (f", the {MOST_ROWS} with the fewest labels" if len(order) > MOST_ROWS else "")
        parts.append(Table(title, (group, *headers), rows))
        of_class = ", ".join(f"{count:,} {name}" for count, name in zip(total, facts.labels, strict=False))
        text = (
            f"{counted(len(label), 'cell')} of {counted(len(patients), group)}: {of_class}, {total[-1]:,} without a "
            f"label ({total[-1] / len(label):.0%}). {int(dapi.sum()):,} have DAPI. "
            f"Labels of one class only: {_named(one_class, group)}. "
            f"Fewer than {FEW} labels: {_named(few, group)}. No DAPI: {_named(no_dapi, group)}."
        )
        values = {
            "cells": {name: int(count) for name, count in zip(names, total, strict=True)},
            "with_dapi": {name: int(count) for name, count in zip(names, with_dapi, strict=True)},
            "patients": _by_name(patients, headers, by_patient),
            "sites": _by_name(index.names["site"], headers, by_site),
            "patients_with_one_class": one_class,
            "patients_with_few_labels": few,
            "patients_without_dapi": no_dapi,
        }
        summary = f"{of_class}, {total[-1]:,} unlabelled; {int(dapi.sum()):,} with DAPI"
        return Section("Counts", 10, text, summary, parts, _findings(total, with_dapi, facts), values)


def _by_name(names: list[str], headers: tuple[str, ...], table: np.ndarray) -> dict[str, dict[str, int]]:
    return {name: dict(zip(headers, row.tolist(), strict=True)) for name, row in zip(names, table, strict=True)}


def _named(names: list[str], group: str) -> str:
    return f"{counted(len(names), group)} ({abbreviated(names)})" if names else f"no {group}"


def _table(codes: np.ndarray, count: int, label: np.ndarray, dapi: np.ndarray, kinds: int) -> np.ndarray:
    """``(count, kinds + 1)``: cells of each of the `kinds` of label, the last one for none, and cells with DAPI."""
    table = np.zeros((count, kinds + 1), int)
    np.add.at(table, (codes, label), 1)
    np.add.at(table[:, -1], codes, dapi)
    return table


def _findings(total: np.ndarray, with_dapi: np.ndarray, facts: DatasetFacts) -> list[Finding]:
    found = []
    if facts.other and not total[OTHER_INDEX]:
        advice = "A network cannot learn it: import the cells again without --other, or with such cells."
        found.append(Finding(f"No cell is {OTHER}, and the data set has this class", advice))
    if not (total[:2].all() and with_dapi.any()):
        return found  # No class, or no DAPI at all: `tfctc.api.inspecting` says that training lacks it.
    if facts.other and total[OTHER_INDEX] and not with_dapi[OTHER_INDEX]:
        advice = "A teacher that sees DAPI does not learn this class: image DAPI for such cells too, if you can."
        found.append(Finding(f"None of the {total[OTHER_INDEX]:,} {OTHER} cells has DAPI", advice))
    shares = with_dapi[:2] / total[:2]
    if abs(shares[0] - shares[1]) < UNEVEN:
        return found
    problem = (
        f"{shares[0]:.0%} of the {facts.negative} cells have DAPI, and {shares[1]:.0%} of the {facts.positive} cells"
    )
    advice = "A teacher could tell the classes by whether DAPI is there: image DAPI for both classes in the same way."
    return [*found, Finding(problem, advice)]
