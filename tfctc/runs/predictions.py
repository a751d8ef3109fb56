"""The table of predictions for labelled cells: one row for each cell. `tfctc predict` can read it too."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.cells import ORIGINAL, OTHER, DatasetFacts
from tfctc.data.manifest import Manifest
from tfctc.errors import RunError
from tfctc.evaluation.predictions import BELOW, Predictions
from tfctc.io.files import atomic_file
from tfctc.io.tables import read_table


def write_predictions(
    path: Path,
    predictions: Predictions,
    manifest: Manifest,
    threshold: float,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    facts: DatasetFacts | None = None,
) -> None:
    """Writes `cell_id, patient_id, site, brightfield, truth, p_<positive>, call`, in the manifest's order.

    Where there are original labels, `original_label` stands behind `truth`; where the model has a class other, `BELOW`
    stands behind `call`.

    Args:
        path: CSV file to write.
        predictions: predictions for labelled cells of the manifest.
        manifest: the data set.
        threshold: a cell is called positive if its probability is this number or higher.
        facts: facts of the model's data set, for the names of its classes; None for those of the manifest.
        others: further columns: name of a column -> cell id -> value. A cell that only they know has no probability.
    """
    facts, others = facts or manifest.facts, others or {}
    columns = {f"p_{facts.positive}": [f"{p:.9g}" for p in predictions.probability.tolist()]}
    columns["call"] = predictions.calls(threshold, facts).tolist()
    if predictions.is_other is not None:
        columns[BELOW] = predictions.below(facts).tolist()
    # Nine digits keep every bit of a float32, so that metrics computed from the table are the same.
    predicted = dict(zip(predictions.cell_id.tolist(), zip(*columns.values(), strict=True), strict=True))
    known = predicted.keys() | {cell_id for column in others.values() for cell_id in column}
    truth = ["label", ORIGINAL] if manifest.has_original_labels else ["label"]
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        ids = ["cell_id", "patient_id", "site", "brightfield"]
        writer.writerow([*ids, "truth", *truth[1:], *columns, *others])
        for cell in manifest.cells():
            if cell.cell_id not in known:
                continue
            values = predicted.get(cell.cell_id, [""] * len(columns))
            more = [column.get(cell.cell_id, "") for column in others.values()]
            writer.writerow([*(getattr(cell, name) for name in (*ids, *truth)), *values, *more])


def read_predictions(path: Path, facts: DatasetFacts) -> Predictions:
    """The predictions in a table that `write_predictions` wrote; also of an early version, where `truth` is `label`.

    Raises:
        RunError: a table that is not such a one, or a probability that is no number from 0 to 1.
    """
    column = f"p_{facts.positive}"
    # Not the probabilities: a small one, such as 2e-05, would be taken for a number that a spreadsheet has shortened.
    with read_table(path, ("cell_id", "patient_id"), error=RunError) as table:
        places = {name: table.header.index(name) for name in table.header}
        truth_at, site_at = places.get("truth", places.get("label")), places.get("site")
        if truth_at is None or column not in places:
            missing = "truth" if truth_at is None else column
            raise RunError(f"has no column {missing}", path=path, fix="evaluate the run again")
        rows = np.array([row for _, row in table.rows], dtype=str).reshape(-1, len(table.header))
    truth = rows[:, truth_at]
    if unknown := sorted({*truth.tolist()} - {*facts.classes, OTHER, ""}):
        problem = f"has the class {unknown[0]}, and the model {', '.join(facts.labels)}"
        raise RunError(problem, path=path, fix="evaluate the run again")
    try:
        # As the model gave it: nine digits read as float64 may fall below a threshold that is one of the probabilities.
        probability = rows[:, places[column]].astype(np.float32)
        if not np.all((probability >= 0) & (probability <= 1)):
            raise ValueError("a probability is not from 0 to 1")
    except ValueError as error:
        raise RunError(f"cannot be read ({error})", path=path, fix="evaluate the run again") from None
    return Predictions(
        cell_id=rows[:, places["cell_id"]],
        patient_id=rows[:, places["patient_id"]],
        label=(truth == facts.positive).astype(int),
        probability=probability,
        site=None if site_at is None else rows[:, site_at],
        is_other=rows[:, places[BELOW]] == OTHER if BELOW in places else None,
        truth=truth,
        original_label=rows[:, places[ORIGINAL]] if ORIGINAL in places else truth,
    )
