"""Sensitivity and false-positive rate at a threshold, with the spread of patients, for counts of new patients."""

import numpy as np
from scipy import stats

from tfctc.evaluation.counts import Rates
from tfctc.evaluation.intervals import LEVEL
from tfctc.evaluation.predictions import Predictions


def measure_rates(test: Predictions, threshold: float) -> Rates | None:
    """Rates of a model on the patients of a test set; None where fewer than two patients hold a class."""
    members = np.unique(test.patient_id, return_inverse=True)[1]
    called = np.asarray(test.probability, np.float64) >= threshold
    found, holders = {}, []
    for name, label in (("sensitivity", 1), ("false_positives", 0)):
        of_class = test.label == label
        cells = np.bincount(members[of_class])
        calls = np.bincount(members[of_class & called], minlength=len(cells))[cells > 0]
        cells = cells[cells > 0]
        holders.append(len(cells))
        if len(cells) < 2:
            return None
        found[name], found[f"{name}_error"] = float(calls.sum() / cells.sum()), new_patient_error(calls, cells)
    quantile = float(stats.t.ppf(0.5 + LEVEL / 2, min(holders) - 1))
    return Rates(threshold=float(threshold), quantile=quantile, **found)


def new_patient_error(events: np.ndarray, cells: np.ndarray) -> float:
    """Standard deviation with which the share of one new patient is known from those of others.

    The variance between patients is that of an analysis of variance with unequal groups (Searle 1971, "Linear Models",
    chapter 11), and that of the mean is added. Without an event, or with events only, half a cell stands for the
    missing one.

    Args:
        events: ``(P,)`` numbers of cells that count, P at least 2.
        cells: ``(P,)`` numbers of cells, each at least 1.
    """
    patients, total = len(cells), cells.sum()
    mean = np.clip(events.sum() / total, 0.5 / total, 1 - 0.5 / total)
    shares = events / cells
    between_squares = float(cells @ np.square(shares - mean)) / (patients - 1)
    within_squares = float(cells @ (shares * (1 - shares))) / max(total - patients, 1)
    usual_cells = (total - np.square(cells).sum() / total) / (patients - 1)
    between = max((between_squares - within_squares) / usual_cells, 0.0)
    of_mean = max(between * np.square(cells).sum() / total**2, 0.0) + mean * (1 - mean) / total
    return float(np.sqrt(between + of_mean))
