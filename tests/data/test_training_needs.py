"""Needs of a training: a data set lacks what `fit` would refuse."""

import pytest

from tfctc.cells import Cell, DatasetFacts
from tfctc.config import SplitConfig
from tfctc.data.assignment import assign_groups
from tfctc.data.manifest import Manifest, write_manifest
from tfctc.data.training_needs import has_teacher_cells, missing_for_training
from tfctc.errors import SplitError


def manifest_of(folder, patients, dapi=("ctc", "leukocyte")):
    """Two cells of each label for so many patients; classes without DAPI are left out of `dapi`."""
    cells = [
        Cell(f"p{n}{label}{i}", f"p{n}", "", f"{n}{label}{i}.png", f"{n}{label}{i}d.png" * (label in dapi), label)
        for label, count in patients.items()
        for n in range(count)
        for i in range(2)
    ]
    write_manifest(folder, DatasetFacts("few"), cells)
    return Manifest.open(folder)


@pytest.mark.parametrize(
    ("patients", "missing"),
    [
        ({"ctc": 3, "leukocyte": 3}, []),
        ({"ctc": 3, "leukocyte": 1}, ["1 patient with leukocyte, 3 needed"]),
        ({"ctc": 2, "leukocyte": 0}, ["no patients with leukocyte, 3 needed", "2 patients with ctc, 3 needed"]),
        ({"": 5}, ["no cell has a label"]),
    ],
)
def test_what_is_missing_is_what_fit_refuses(tmp_path, patients, missing):
    manifest = manifest_of(tmp_path, patients)
    assert missing_for_training(manifest) == missing
    groups = manifest.groups("patient_id")
    if missing:
        with pytest.raises(SplitError):
            assign_groups(groups, manifest.facts, SplitConfig(), seed=0)
    else:
        assign_groups(groups, manifest.facts, SplitConfig(), seed=0)


def test_groups_that_are_no_patients_have_their_own_words(tmp_path):
    cells = [Cell(f"c{n}", f"b{n}", "", f"{n}.png", "", "ctc") for n in range(2)]
    write_manifest(tmp_path, DatasetFacts("few", group="block of cells"), cells)
    told = ["no blocks of cells with leukocyte, 3 needed", "2 blocks of cells with ctc, 3 needed"]
    assert missing_for_training(Manifest.open(tmp_path)) == told


def test_a_teacher_needs_dapi_of_both_classes(tmp_path):
    assert has_teacher_cells(manifest_of(tmp_path, {"ctc": 1, "leukocyte": 1}))
    assert not has_teacher_cells(manifest_of(tmp_path, {"ctc": 1, "leukocyte": 1}, dapi=("ctc", "")))
    assert not has_teacher_cells(manifest_of(tmp_path, {"ctc": 1, "leukocyte": 1, "": 1}, dapi=("",)))
