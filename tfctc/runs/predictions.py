"""The table of predictions in a run folder: one row for each cell. `tfctc predict` can read it too."""

import csv
from pathlib import Path

from tfctc.data.manifest import Manifest
from tfctc.evaluation.predictions import Predictions
from tfctc.io.files import atomic_file


def write_predictions(path: Path, predictions: Predictions, manifest: Manifest) -> None:
    """Writes `cell_id, patient_id, brightfield, label, p_<positive>`, in the manifest's order; `label` is the truth."""
    probability = dict(zip(predictions.cell_id.tolist(), predictions.probability.tolist(), strict=True))
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["cell_id", "patient_id", "brightfield", "label", f"p_{manifest.facts.positive}"])
        for cell in manifest.cells():
            if cell.cell_id in probability:
                # Nine digits keep every bit of a float32, so that metrics computed from the table are the same.
                p = f"{probability[cell.cell_id]:.9g}"
                writer.writerow([cell.cell_id, cell.patient_id, cell.brightfield, cell.label, p])
