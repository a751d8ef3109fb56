"""Numbers of cells by patient, added up cell by cell."""

from collections import Counter

#: Site and patient -> numbers: "cells", "refused", "unlike", "calls" and, for each label, "truth LABEL".
Patients = dict[tuple[str, str], Counter[str]]


def count_cell(
    patients: Patients,
    patient_id: str,
    site: str,
    truth: str,
    *,
    refused: bool = False,
    unlike: bool = False,
    called: bool = False,
    times: int = 1,
) -> None:
    """Adds one cell to the numbers of its patient.

    Args:
        patients: numbers of all patients, which are changed.
        patient_id, site: the patient; empty where unknown.
        truth: label of the cell; empty without one.
        refused: whether its image could not be used.
        unlike: whether the quality of its image is not "ok".
        called: whether it is called positive.
        times: 1; -1 takes back a cell that was added before.
    """
    key = (site, patient_id)
    own = patients.setdefault(key, Counter())
    own["cells"] += times
    own[f"truth {truth}"] += times
    for name, counts in (("refused", refused), ("unlike", unlike), ("calls", called)):
        own[name] += times * counts
    if times < 0:
        patients[key] = +own  # Without zeros, so that a label that no cell has is none of the patient's.
        if not patients[key]:
            del patients[key]
