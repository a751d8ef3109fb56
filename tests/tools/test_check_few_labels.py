"""Data sets with few labels, counted against the data set that they are made of, and the labels that are saved."""

from collections import Counter

import check_few_labels
import pytest
from few_labels_data import write_few_labels

from tfctc.data.manifest import Manifest

PATIENTS = {"test_patients": 3, "validation_patients": 3}


@pytest.fixture
def write(tiny_dataset, tmp_path):
    """Function that writes a data set of a row, and returns its manifest and that of the data set it is made of."""

    def write(row, about, seed=0):
        write_few_labels(tiny_dataset, tmp_path / str(seed), row, about, seed)
        return Manifest.open(tmp_path / str(seed)), Manifest.open(tiny_dataset)

    return write


def labels(manifest, split):
    return Counter(cell.label for cell in manifest.cells() if manifest.pinned[cell.patient_id] == split)


def test_labels_of_training_and_validation_are_counted_together(write):
    written, source = write({"labels": 10}, PATIENTS)
    truth = {cell.cell_id: cell.label for cell in source.cells()}
    assert labels(written, "validation") == {"ctc": 1, "leukocyte": 2}
    training = labels(written, "train")
    assert training["ctc"] == 3 and training["leukocyte"] == 4 and training[""] > 10
    assert labels(written, "test")[""] == 0
    assert all(cell.label in ("", truth[cell.cell_id]) for cell in written.cells())
    patients = Counter(written.pinned.values())
    assert (patients["train"], patients["test"]) == (6, 3) and 1 <= patients["validation"] <= 3


def test_with_all_labels_every_cell_keeps_its_own(write):
    written, source = write({"labels": "all"}, PATIENTS)
    assert {cell.cell_id: cell.label for cell in written.cells()} == {
        cell.cell_id: cell.label for cell in source.cells()
    }


def test_the_tested_patients_of_a_seed_do_not_depend_on_the_labels(write, tiny_dataset, tmp_path):
    few, _ = write({"labels": 4}, PATIENTS)
    write_few_labels(tiny_dataset, tmp_path / "more", {"labels": 20}, PATIENTS, 0)
    other, _ = write({"labels": 4}, PATIENTS, seed=1)
    tested = [
        {patient for patient, split in manifest.pinned.items() if split == "test"}
        for manifest in (few, Manifest.open(tmp_path / "more"), other)
    ]
    assert tested[0] == tested[1] != tested[2]


def test_a_pool_of_its_own_has_its_share_of_positive_cells_and_whole_patients_are_labelled(write):
    about = {"test_patients": 3, "pool_patients": 5, "cells_per_labelled_patient": 2}
    row = {"labels": 8, "pool": 10, "positive": 0.2}
    written, source = write(row, about)
    truth = {cell.cell_id: cell.label for cell in source.cells()}
    pool = [truth[cell.cell_id] for cell in written.cells() if not cell.label]
    assert Counter(pool) == {"ctc": 2, "leukocyte": 8}
    labelled = {cell.patient_id for cell in written.cells() if cell.label and written.pinned[cell.patient_id] != "test"}
    assert len(labelled) == 4 and not labelled & {cell.patient_id for cell in written.cells() if not cell.label}
    assert labels(written, "validation") == {"ctc": 1, "leukocyte": 1}


def row_of(labels, brightfield, distilled=None, **more):
    arms = {"brightfield": brightfield, "distilled": distilled or {}}
    values = {name: {"auroc": {"values": found}} for name, found in arms.items() if found}
    return {"name": str(labels), "data": "cells", "labelled": labels, "arms": values, "differences": {}} | more


def test_labels_saved_are_read_off_the_curve_of_bright_field_alone():
    """Bright-field gains 0.1 with each doubling of the labels, validation labels included."""
    rows = [
        row_of(50, {"0": 0.60, "1": 0.64}, {"0": 0.69, "1": 0.75, "2": 0.9}),
        row_of(100, {"0": 0.70, "1": 0.74}),
        row_of(200, {"0": 0.80, "1": 0.84}),
        row_of(400, {"0": 0.1}, data="others"),
    ]
    found = check_few_labels.efficiency(rows[0], rows)
    assert found["value"] == pytest.approx(2.0) and found["seeds"] == 2
    assert check_few_labels.efficiency(rows[1], rows) is None
    rows[0]["label_efficiency"] = found
    assert "bright-field needs 2.0 times the labels (" in check_few_labels.sentence(
        rows[0] | {"arms": {name: {"auroc": {"mean": 0.7}} for name in ("brightfield", "distilled")}}
    )


def test_a_guard_keeps_the_student_that_is_better_on_validation(tmp_path):
    """Two seeds: the guard is right in one, which gains 0.1, and wrong in the other, which loses 0.2."""
    for seed, (alone, distilled) in enumerate([((0.9, 0.8), (0.7, 0.7)), ((0.9, 0.6), (0.8, 0.8))]):
        (folder := tmp_path / f"seed-{seed}" / "runs").mkdir(parents=True)
        rows = [
            f"{arm},{validation},{auroc}"
            for arm, (validation, auroc) in {
                "brightfield": alone,
                "distilled": distilled,
                "self-training": (1, 1),
            }.items()
        ]
        (folder / "results.csv").write_text("\n".join(["arm,validation,auroc", "brightfield,1,", *rows]))
    found = check_few_labels.guarded(tmp_path)
    assert (found["mean"], found["chosen"], found["seeds"]) == (pytest.approx(-0.05), 2, 2)
    assert check_few_labels.guarded(tmp_path / "nothing") is None
