"""The table of predictions."""

import csv

import numpy as np
import pytest

from tfctc.data.manifest import Manifest
from tfctc.errors import RunError
from tfctc.evaluation.predictions import Predictions
from tfctc.runs.predictions import read_predictions, write_predictions


def test_probabilities_are_written_to_the_last_bit_in_the_manifests_order(tiny_dataset, tmp_path):
    manifest = Manifest.open(tiny_dataset)
    cells = list(manifest.cells())
    chosen = [cells[i] for i in (30, 2, 17)]
    probability = np.random.default_rng(0).random(3).astype(np.float32) * np.float32([1, 1, 1e-6])
    predictions = Predictions(
        np.array([c.cell_id for c in chosen]), np.array([c.patient_id for c in chosen]), np.zeros(3, int), probability
    )
    write_predictions(tmp_path / "predictions.csv", predictions, manifest, 0.5)
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert list(rows[0]) == ["cell_id", "patient_id", "site", "brightfield", "truth", "p_ctc", "call"]
    assert [row["cell_id"] for row in rows] == [cells[i].cell_id for i in (2, 17, 30)]
    assert [row["truth"] for row in rows] == [cells[i].label for i in (2, 17, 30)]
    np.testing.assert_array_equal(np.array([row["p_ctc"] for row in rows], np.float32), probability[[1, 2, 0]])
    assert [row["call"] for row in rows] == ["ctc" if p >= 0.5 else "leukocyte" for p in probability[[1, 2, 0]]]
    read = read_predictions(tmp_path / "predictions.csv", manifest.facts)
    assert read.cell_id.tolist() == [row["cell_id"] for row in rows]
    np.testing.assert_array_equal(read.probability.astype(np.float32), probability[[1, 2, 0]])
    assert [manifest.facts.classes[i] for i in read.label] == [row["truth"] for row in rows]


def test_a_cell_without_a_probability_has_a_row_too(tiny_dataset, tmp_path):
    manifest = Manifest.open(tiny_dataset)
    cells = list(manifest.cells())[:2]
    one = Predictions(np.array([cells[1].cell_id]), np.array([cells[1].patient_id]), np.ones(1, int), np.ones(1))
    write_predictions(tmp_path / "p.csv", one, manifest, 0.5, {"refused": {cells[0].cell_id: "too dark"}})
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert [(row["p_ctc"], row["call"], row["refused"]) for row in rows] == [("", "", "too dark"), ("1", "ctc", "")]


def test_a_table_of_an_early_version_is_read_and_a_damaged_one_is_not(tiny_dataset, tmp_path):
    facts, path = Manifest.open(tiny_dataset).facts, tmp_path / "predictions.csv"
    path.write_text("cell_id,patient_id,brightfield,label,p_ctc\n1,P,a.png,ctc,0.25\n")
    found = read_predictions(path, facts)
    assert (found.label.tolist(), found.probability.tolist(), found.sites.tolist()) == ([1], [0.25], [""])
    for value in ("1.5", "nan", "x"):
        path.write_text(f"cell_id,patient_id,brightfield,label,p_ctc\n1,P,a.png,ctc,{value}\n")
        with pytest.raises(RunError, match=r"predictions.csv: cannot be read"):
            read_predictions(path, facts)


def test_a_table_may_have_cells_of_a_class_that_the_model_lacks_and_no_unknown_one(tiny_dataset, tmp_path):
    facts, path = Manifest.open(tiny_dataset).facts, tmp_path / "predictions.csv"
    path.write_text("cell_id,patient_id,truth,original_label,p_ctc\n1,P,other,debris,0.25\n2,P,ctc,CTC,2e-07\n")
    found = read_predictions(path, facts)
    assert (found.label.tolist(), found.original_label.tolist()) == ([0, 1], ["debris", "CTC"])
    path.write_text("cell_id,patient_id,truth,p_ctc\n1,P,tumor,0.25\n")
    with pytest.raises(RunError, match="predictions.csv: has the class tumor, and the model leukocyte, ctc"):
        read_predictions(path, facts)
