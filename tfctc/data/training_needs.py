"""Needs of a training: the patients and labels that a data set lacks. It imports no library of the training side."""

from tfctc.cells import SPLITS
from tfctc.data.manifest import Manifest
from tfctc.io.names import counted, plural


def missing_for_training(manifest: Manifest) -> list[str]:
    """Clauses that say what a data set lacks for `tfctc fit` in any mode; empty if it can train on it.

    `tfctc.data.assignment.assign_groups` raises an error for the same reasons.

    Args:
        manifest: the data set.
    """
    group, groups = manifest.facts.group, manifest.groups("patient_id")
    if not any(label for counts in groups.values() for label in counts):
        return ["no cell has a label"]
    holders = {name: sum(bool(counts[name]) for counts in groups.values()) for name in manifest.facts.classes}
    return [
        f"{counted(count, group) if count else f'no {plural(group)}'} with {name}, {len(SPLITS)} needed"
        for name, count in holders.items()
        if count < len(SPLITS)
    ]


def has_teacher_cells(manifest: Manifest) -> bool:
    """Whether each class has a labelled cell with DAPI, without which no teacher can learn."""
    index = manifest.index
    with_dapi = index.codes["label"][index.texts["dapi"] != ""]
    return set(manifest.facts.classes) <= {index.names["label"][code] for code in set(with_dapi.tolist())}
