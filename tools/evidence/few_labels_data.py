"""Data sets in which only some cells of some patients keep their label, as in a laboratory with few labels."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.cells import BRIGHTFIELD, DAPI, Cell
from tfctc.data.manifest import Manifest, write_manifest
from tfctc.io.files import atomic_folder

#: Share of the labels that validation patients have.
VALIDATION = 0.3


def write_few_labels(source: Path, folder: Path, row: Mapping[str, Any], about: Mapping[str, Any], seed: int) -> None:
    """Writes a data set with the images of another one, given splits, and labels for some cells only.

    Args:
        source: the data set, whose cells all have a label.
        folder: folder to write.
        row: "labels", their number or "all"; for a pool of its own also "pool", its size, and "positive", its share of
            positive cells.
        about: "test_patients"; with a pool of its own "pool_patients" and "cells_per_labelled_patient", otherwise
            "validation_patients".
        seed: seed of the choice of patients and cells. With equal seeds the labelled and the tested patients of two
            rows are equal.
    """
    manifest = Manifest.open(source)
    cells = list(manifest.index)
    positive = np.array([cell.label == manifest.facts.positive for cell in cells])
    patient = np.array([cell.patient_id for cell in cells])
    random = np.random.default_rng(seed)
    patients = random.permutation(np.unique(patient))
    choose = _with_own_pool if "pool" in row else _from_training_patients
    chosen = choose(row, about, patient, patients, positive, random)
    kept: list[Cell] = []
    splits = {}
    for i in sorted(chosen):
        split, labelled = chosen[i]
        images = {channel: str((source / getattr(cells[i], channel)).resolve()) for channel in (BRIGHTFIELD, DAPI)}
        kept.append(replace(cells[i], label=cells[i].label if labelled else "", **images))
        splits[cells[i].patient_id] = split
    with atomic_folder(folder) as temporary:
        write_manifest(temporary, manifest.facts, kept, splits=splits)


def _with_own_pool(row, about, patient, patients, positive, random) -> dict[int, tuple[str, bool]]:
    """Cell -> (split, whether it is labelled): whole patients are labelled, others are the pool, others are tested.

    With "all" labels, those of the pool are kept too, beside those of the largest number of labelled patients.
    """
    everything = row["labels"] == "all"
    labels = 400 if everything else row["labels"]
    size = about["cells_per_labelled_patient"]
    validation = max(1, round(VALIDATION * labels / size))
    training = round(labels / size) - validation
    test, pool, rest = np.split(patients, np.cumsum([about["test_patients"], about["pool_patients"]]))
    chosen = {int(i): ("test", True) for i in np.flatnonzero(np.isin(patient, test))}
    for number, name in enumerate(rest[: training + validation]):
        split = "validation" if number < validation else "train"
        for kind, count in ((False, size - size // 2), (True, size // 2)):
            own = np.random.default_rng([number, kind]).permutation(
                np.flatnonzero((patient == name) & (positive == kind))
            )
            chosen |= {int(i): (split, True) for i in own[:count]}
    count = round(row["positive"] * row["pool"])
    for kind, wanted in ((False, row["pool"] - count), (True, count)):
        own = random.permutation(np.flatnonzero(np.isin(patient, pool) & (positive == kind)))
        chosen |= {int(i): ("train", everything) for i in own[:wanted]}
    return chosen


def _from_training_patients(row, about, patient, patients, positive, random) -> dict[int, tuple[str, bool]]:
    """Cell -> (split, whether it is labelled): labels are drawn in each class over all training patients.

    Unlabelled cells of the validation patients are left out: nothing would use them.
    """
    test, validation, training = np.split(patients, np.cumsum([about["test_patients"], about["validation_patients"]]))
    chosen = {int(i): ("test", True) for i in np.flatnonzero(np.isin(patient, test))}
    wanted = {"train": len(patient), "validation": len(patient)}
    if row["labels"] != "all":
        wanted["validation"] = round(VALIDATION * row["labels"])
        wanted["train"] = row["labels"] - wanted["validation"]
    for split, own in (("validation", validation), ("train", training)):
        inside = np.isin(patient, own)
        share = {True: wanted[split] // 2, False: wanted[split] - wanted[split] // 2}
        for kind in (False, True):
            cells = random.permutation(np.flatnonzero(inside & (positive == kind)))
            chosen |= {int(i): (split, True) for i in cells[: share[kind]]}
            if split == "train":
                chosen |= {int(i): (split, False) for i in cells[share[kind] :]}
    return chosen
