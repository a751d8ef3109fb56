"""The table of predictions."""

import csv

import numpy as np

from tfctc.data.manifest import Manifest
from tfctc.evaluation.predictions import Predictions
from tfctc.runs.predictions import write_predictions


def test_probabilities_are_written_to_the_last_bit_in_the_manifests_order(tiny_dataset, tmp_path):
    manifest = Manifest.open(tiny_dataset)
    cells = list(manifest.cells())
    chosen = [cells[i] for i in (30, 2, 17)]
    probability = np.random.default_rng(0).random(3).astype(np.float32)
    predictions = Predictions(
        np.array([c.cell_id for c in chosen]), np.array([c.patient_id for c in chosen]), np.zeros(3, int), probability
    )
    write_predictions(tmp_path / "predictions.csv", predictions, manifest)
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert list(rows[0]) == ["cell_id", "patient_id", "brightfield", "label", "p_ctc"]
    assert [row["cell_id"] for row in rows] == [cells[i].cell_id for i in (2, 17, 30)]
    assert [row["label"] for row in rows] == [cells[i].label for i in (2, 17, 30)]
    np.testing.assert_array_equal(np.array([row["p_ctc"] for row in rows], np.float32), probability[[1, 2, 0]])
