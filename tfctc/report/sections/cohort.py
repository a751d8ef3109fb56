"""Cohort: cells, patients and classes by split and by site."""

import numpy as np

from tfctc.cells import NO_LABEL, SPLITS
from tfctc.data.inspect import Section, Table
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.io.names import plural
from tfctc.report.sections.base import SECTIONS, Material, RunSection

#: Most rows of the table by site.
MOST_SITES = 40


@SECTIONS.register("cohort")
class Cohort(RunSection):
    """Numbers of the data set as it is now, in the splits of the training."""

    def section(self, material: Material) -> Section | None:
        if material.manifest is None:
            return Section("Cohort", 20, f"The data set is no longer at {material.run.config.data}.", "")
        manifest, splits = material.manifest, material.run.splits
        facts, index = manifest.facts, manifest.index
        headers = ("cells", plural(facts.group), *facts.labels, NO_LABEL, "with DAPI")
        columns, kinds = cohort_columns(manifest, splits), len(facts.labels) + 1
        rows = [(split, *_counts(columns, kinds, columns["split"] == i)) for i, split in enumerate(SPLITS)]
        rows.append(("all", *_counts(columns, kinds, columns["split"] >= 0)))
        parts = [Table("by split", ("split", *headers), rows)]
        sites = index.names["site"]
        unit = "sites" if splits.by == "site" else plural(facts.group)
        text = f"Whole {unit} are in one split, as in the training. The counts are of the data set as it is now."
        if len(sites) > 1:
            rows = []
            for site, name in sorted(enumerate(sites), key=lambda one: one[1]):
                inside = columns["site"] == site
                for i, split in enumerate(SPLITS):
                    if (chosen := inside & (columns["split"] == i)).any():
                        rows.append((name or "not named", split, *_counts(columns, kinds, chosen)))
            if len(rows) > MOST_SITES:
                text += f" The table by site has its first {MOST_SITES} of {len(rows)} rows."
            parts.append(Table("by site and split", ("site", "split", *headers), rows[:MOST_SITES]))
        return Section("Cohort", 20, text, "", parts)


def cohort_columns(manifest: Manifest, splits: Splits) -> dict[str, np.ndarray]:
    """Columns ``(N,)`` of numbers: split (-1 for none), patient, site, label (the last for none), dapi (0 or 1)."""
    index = manifest.index
    classes = {name: i for i, name in enumerate(manifest.facts.labels)}
    numbers = {group: SPLITS.index(split) for group, split in splits.assignment.items()}
    return {
        "split": index.coded(splits.by, numbers, -1),
        "patient": index.codes["patient_id"],
        "site": index.codes["site"],
        "label": index.coded("label", classes, len(classes)),
        "dapi": np.asarray(index.texts["dapi"] != "", int),
    }


def _counts(columns: dict[str, np.ndarray], kinds: int, chosen: np.ndarray) -> tuple[int, ...]:
    labels = np.bincount(columns["label"][chosen], minlength=kinds)
    patients = len(np.unique(columns["patient"][chosen]))
    return (int(chosen.sum()), patients, *map(int, labels), int(columns["dapi"][chosen].sum()))
