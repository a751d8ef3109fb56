"""Out-of-fold predictions: each labelled cell, predicted by the fold whose training left its patient out."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.cells import ORIGINAL, OTHER
from tfctc.data.manifest import Manifest
from tfctc.errors import RunError
from tfctc.evaluation.predictions import BELOW, Predictions
from tfctc.io.files import atomic_file

COLUMNS = ("cell_id", "patient_id", "site", "truth", "probability", "fold", "repeat", "threshold")


@dataclass(frozen=True, kw_only=True)
class OutOfFold(Predictions):
    """Predictions for N rows: each labelled cell once in every repeat.

    Args:
        fold, repeat: numbers of the fold that predicted the cell, and of its repeat, int ``(N,)``.
        threshold: threshold of that fold, chosen on its validation patients, float64 ``(N,)``.
    """

    fold: np.ndarray
    repeat: np.ndarray
    threshold: np.ndarray

    @property
    def called(self) -> np.ndarray:
        """Whether each cell is called positive at the threshold of its fold, bool ``(N,)``."""
        return self.probability.astype(np.float64) >= self.threshold

    def rows(self, chosen: np.ndarray) -> "OutOfFold":
        """The rows where `chosen`, bool ``(N,)``, is True."""
        columns: dict[str, Any] = {name: None if one is None else one[chosen] for name, one in vars(self).items()}
        return OutOfFold(**columns)


def write_out_of_fold(path: Path, manifest: Manifest, folds: Iterable[tuple[int, int, float, Predictions]]) -> None:
    """Writes the table, fold by fold in the order of the predictions.

    Args:
        path: path of the CSV file, with the columns `COLUMNS`, then `ORIGINAL` if the manifest has it, and `BELOW` if
            there is a class other.
        manifest: the data set, for sites and labels.
        folds: repeat, number and threshold of each fold, and its predictions for the cells that it tests.
    """
    cells = {cell.cell_id: cell for cell in manifest.index}
    columns = [*COLUMNS, *([ORIGINAL] if manifest.has_original_labels else [])]
    columns += [BELOW] if manifest.facts.other else []
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for repeat, fold, threshold, predictions in folds:
            below = predictions.below(manifest.facts).tolist()
            found = zip(predictions.cell_id.tolist(), predictions.probability.tolist(), below, strict=True)
            for cell_id, probability, below_threshold in found:
                cell = cells[cell_id]
                # Nine digits keep every bit of a float32, and seventeen those of a float64.
                values = [cell.label, f"{probability:.9g}", fold, repeat, f"{threshold:.17g}"]
                values += [cell.original_label] if ORIGINAL in columns else []
                values += [below_threshold] if BELOW in columns else []
                writer.writerow([cell_id, cell.patient_id, cell.site, *values])


def read_out_of_fold(path: Path, positive: str) -> OutOfFold:
    """The predictions in a table that `write_out_of_fold` wrote.

    Args:
        path: path of the table.
        positive: name of the positive class.

    Raises:
        RunError: a table that is missing, damaged or empty.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            rows, header = list(table), table.fieldnames or ()
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        found = OutOfFold(
            cell_id=np.array(columns["cell_id"]),
            patient_id=np.array(columns["patient_id"]),
            label=np.array([truth == positive for truth in columns["truth"]], np.int32),
            probability=np.array(columns["probability"], np.float64).astype(np.float32),
            site=np.array(columns["site"]),
            is_other=np.array([row[BELOW] == OTHER for row in rows]) if BELOW in header else None,
            truth=np.array(columns["truth"]),
            original_label=np.array([row[ORIGINAL if ORIGINAL in header else "truth"] for row in rows]),
            fold=np.array(columns["fold"], np.int64),
            repeat=np.array(columns["repeat"], np.int64),
            threshold=np.array(columns["threshold"], np.float64),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"cannot be read ({error})", path=path, fix="copy the run folder again") from None
    if not len(found):
        raise RunError("holds no prediction", path=path, fix="copy the run folder again")
    return found
