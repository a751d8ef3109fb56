"""The table of predictions for labelled cells: one row for each cell. `tfctc predict` can read it too."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.cells import DatasetFacts
from tfctc.data.manifest import Manifest
from tfctc.errors import RunError
from tfctc.evaluation.predictions import Predictions
from tfctc.io.files import atomic_file
from tfctc.io.tables import read_table


def write_predictions(
    path: Path,
    predictions: Predictions,
    manifest: Manifest,
    threshold: float,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    classes: tuple[str, str] | None = None,
) -> None:
    """Writes `cell_id, patient_id, site, brightfield, truth, p_<positive>, call`, in the manifest's order.

    Args:
        path: CSV file to write.
        predictions: predictions for labelled cells of the manifest.
        manifest: the data set.
        threshold: a cell is called positive if its probability is this number or higher.
        classes: negative and positive class of the model; None for those of the manifest.
        others: further columns: name of a column -> cell id -> value. A cell that only they know has no probability.
    """
    (negative, positive), others = classes or manifest.facts.classes, others or {}
    probability = dict(zip(predictions.cell_id.tolist(), predictions.probability.tolist(), strict=True))
    known = probability.keys() | {cell_id for column in others.values() for cell_id in column}
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        ids = ["cell_id", "patient_id", "site", "brightfield", "truth"]
        writer.writerow([*ids, f"p_{positive}", "call", *others])
        for cell in manifest.cells():
            if cell.cell_id not in known:
                continue
            values = ["", ""]
            if (p := probability.get(cell.cell_id)) is not None:
                # Nine digits keep every bit of a float32, so that metrics computed from the table are the same.
                values = [f"{p:.9g}", positive if p >= threshold else negative]
            more = [column.get(cell.cell_id, "") for column in others.values()]
            writer.writerow([cell.cell_id, cell.patient_id, cell.site, cell.brightfield, cell.label, *values, *more])


def read_predictions(path: Path, facts: DatasetFacts) -> Predictions:
    """The predictions in a table that `write_predictions` wrote; also of an early version, where `truth` is `label`.

    Raises:
        RunError: a table that is not such a one, or a probability that is no number from 0 to 1.
    """
    column = f"p_{facts.positive}"
    with read_table(path, ("cell_id", "patient_id", column), error=RunError) as table:
        places = {name: table.header.index(name) for name in table.header}
        truth_at, site_at = places.get("truth", places.get("label")), places.get("site")
        if truth_at is None:
            raise RunError("has no column truth", path=path, fix="evaluate the run again")
        rows = np.array([row for _, row in table.rows], dtype=str).reshape(-1, len(table.header))
    labels = np.array([facts.class_index(truth) for truth in rows[:, truth_at]], int)
    try:
        # As the model gave it: nine digits read as float64 may fall below a threshold that is one of the probabilities.
        probability = rows[:, places[column]].astype(np.float32)
        if not np.all((probability >= 0) & (probability <= 1)):
            raise ValueError("a probability is not from 0 to 1")
    except ValueError as error:
        raise RunError(f"cannot be read ({error})", path=path, fix="evaluate the run again") from None
    sites = None if site_at is None else rows[:, site_at]
    return Predictions(rows[:, places["cell_id"]], rows[:, places["patient_id"]], labels, probability, sites)
