"""ROC and precision-recall curve with a pointwise band by patient."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfctc.evaluation.intervals import LEVEL, joint_weights, leave_one_out, share_interval
from tfctc.evaluation.predictions import Predictions

#: Number of places on the horizontal axis.
POINTS = 101
#: Largest number of patients for a band: every curve is computed again without each patient.
MOST_PATIENTS = 400


@dataclass(frozen=True)
class Curve:
    """A curve in the unit square.

    Args:
        x: ``(K,)`` false-positive rate or recall, ascending.
        y: ``(K,)`` sensitivity or precision.
        low, high: ``(K,)`` ends of the pointwise intervals by patient; None without a band.
        reason: why there is no band; empty if there is one.
    """

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    reason: str = ""


def roc_curve(predictions: Predictions, level: float = LEVEL) -> Curve | None:
    """Highest sensitivity at each false-positive rate; None if a class is missing.

    The band is pointwise: at each false-positive rate it is the jackknife interval over patients of the sensitivity,
    as for the metrics of an evaluation (`tfctc.evaluation.intervals`).
    """
    return _curve(predictions, level, _sensitivity)


def precision_recall_curve(predictions: Predictions, level: float = LEVEL) -> Curve | None:
    """Precision at the highest threshold that reaches each recall; None if a class is missing. Band as `roc_curve`."""
    return _curve(predictions, level, _precision)


def _curve(
    predictions: Predictions, level: float, read: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
) -> Curve | None:
    order = np.argsort(-np.asarray(predictions.probability, np.float64), kind="stable")
    labels, patients = predictions.label[order], predictions.patient_id[order]
    if not 0 < labels.sum() < len(labels):
        return None
    probability = np.asarray(predictions.probability, np.float64)[order]
    # A threshold lies between two different probabilities, so equal ones are called together.
    last = np.append(np.flatnonzero(np.diff(probability)), len(probability) - 1)
    # A recall of 0 has no precision: it begins with the first step.
    x = np.linspace(0 if read is _sensitivity else 1 / (POINTS - 1), 1, POINTS if read is _sensitivity else POINTS - 1)
    members = np.unique(patients, return_inverse=True)[1]
    counts = [np.bincount(members, labels == value) for value in (0, 1)]
    holders, groups = min(int(np.count_nonzero(one)) for one in counts), len(counts[0])

    places = [str(i) for i in range(len(x))]

    def at_places(weights: np.ndarray) -> dict[str, float]:
        true, false = np.cumsum(weights * labels)[last], np.cumsum(weights * (1 - labels))[last]
        found = read(true, false, x) if true[-1] and false[-1] else np.full(len(x), np.nan)
        return dict(zip(places, found.tolist(), strict=True))

    if holders < 2 or groups > MOST_PATIENTS:
        y = np.array(list(at_places(np.ones(len(labels))).values()))
        reason = f"more than {MOST_PATIENTS} patients" if holders > 1 else "fewer than two patients hold a class"
        return Curve(x, y, None, None, reason)
    value, without = leave_one_out(at_places, patients)
    weights, cells = joint_weights(counts), int(min(one.sum() for one in counts))
    ends = [share_interval(value[i], without[i], weights, holders, cells, level) for i in places]
    low, high = np.array(ends).T
    return Curve(x, np.array(list(value.values())), low, high)


def _sensitivity(true: np.ndarray, false: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Highest sensitivity ``(K,)`` whose false-positive rate is at most each of `rates`."""
    # The small number forgives the rounding of the rates.
    last = np.searchsorted(false, rates * false[-1] + 1e-9 * false[-1], side="right")
    return np.concatenate([[0.0], true / true[-1]])[last]


def _precision(true: np.ndarray, false: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Precision ``(K,)`` at the highest threshold whose recall is at least each of `recalls`, all above 0."""
    first = np.searchsorted(true, recalls * true[-1] - 1e-9 * true[-1], side="left")
    return (true / np.maximum(true + false, 1e-9))[np.minimum(first, len(true) - 1)]
