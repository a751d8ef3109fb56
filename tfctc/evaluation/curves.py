"""ROC and precision-recall curve with a pointwise band by patient."""

from dataclasses import dataclass

import numpy as np

from tfctc.evaluation.intervals import LEVEL, share_interval
from tfctc.evaluation.predictions import Predictions

#: Number of places on the horizontal axis.
POINTS = 101


@dataclass(frozen=True)
class Curve:
    """A curve in the unit square.

    Args:
        x: ``(K,)`` false-positive rate or recall, ascending.
        y: ``(K,)`` recall or precision.
        low, high: ``(K,)`` ends of the intervals of `y` by patient, with the threshold of the place held fixed; NaN
            where fewer than two patients hold a cell that counts.
        thresholds: ``(K,)`` a cell is called positive from this probability upwards; infinite where none is.
    """

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    thresholds: np.ndarray

    @property
    def has_band(self) -> bool:
        """Whether there is an interval at any place."""
        return bool(np.isfinite(self.low).any())


@dataclass(frozen=True)
class _Sorted:
    """Cells from the highest probability down, and the numbers of called cells that a threshold can give."""

    labels: np.ndarray
    members: np.ndarray
    probability: np.ndarray
    #: ``(T,)`` number of called cells at each threshold, beginning with 0; cells of equal probability go together.
    called: np.ndarray

    @classmethod
    def of(cls, predictions: Predictions) -> "_Sorted":
        probability = np.asarray(predictions.probability, np.float64)
        order = np.argsort(-probability, kind="stable")
        members = np.unique(predictions.patient_id, return_inverse=True)[1]
        steps = np.flatnonzero(np.diff(probability[order])) + 1
        called = np.concatenate([[0], steps, [len(order)]])
        return cls(np.asarray(predictions.label)[order], members[order], probability[order], called)

    def counts(self, label: int) -> np.ndarray:
        """Number of called cells of a class at each threshold, ``(T,)``."""
        return np.concatenate([[0], np.cumsum(self.labels == label)])[self.called]

    def by_patient(self, label: int, places: np.ndarray) -> np.ndarray:
        """Number of called cells of a class, by patient and place: ``(P, K)``; `places` are numbers of thresholds."""
        ends = self.called[places]
        order = np.argsort(ends, kind="stable")
        # The first place, in this order, at which each cell is called.
        first = np.searchsorted(ends[order], np.arange(len(self.labels)), side="right")
        patients, kinds = int(self.members.max()) + 1, len(places) + 1
        chosen = self.labels == label
        flat = np.bincount(self.members[chosen] * kinds + first[chosen], minlength=patients * kinds)
        found = np.empty((patients, len(places)), int)
        found[:, order] = np.cumsum(flat.reshape(patients, kinds), axis=1)[:, :-1]
        return found

    def thresholds(self, places: np.ndarray) -> np.ndarray:
        return np.concatenate([[np.inf], self.probability[self.called[1:] - 1]])[places]


def roc_curve(predictions: Predictions, level: float = LEVEL) -> Curve | None:
    """Highest recall at each false-positive rate; None if a class is missing.

    The intervals are those of the recall in an evaluation at the threshold of the place.
    """
    cells = _Sorted.of(predictions)
    true, false = cells.counts(1), cells.counts(0)
    if not (true[-1] and false[-1]):
        return None
    x = np.linspace(0, 1, POINTS)
    # The small number forgives the rounding of the rates.
    places = np.searchsorted(false, (x + 1e-9) * false[-1], side="right") - 1
    positive = np.bincount(cells.members, cells.labels == 1)
    totals = np.repeat(positive[:, np.newaxis], len(x), axis=1)
    low, high = _band(cells.by_patient(1, places), totals, level, of_one_class=True)
    return Curve(x, true[places] / true[-1], low, high, cells.thresholds(places))


def precision_recall_curve(predictions: Predictions, level: float = LEVEL) -> Curve | None:
    """Precision at the highest threshold that reaches each recall; None if a class is missing.

    The intervals are those of the precision in an evaluation at the threshold of the place.
    """
    cells = _Sorted.of(predictions)
    true, false = cells.counts(1), cells.counts(0)
    if not (true[-1] and false[-1]):
        return None
    # A recall of 0 has no precision.
    x = np.linspace(0, 1, POINTS)[1:]
    places = np.searchsorted(true, (x - 1e-9) * true[-1], side="left")
    positive = cells.by_patient(1, places)
    low, high = _band(positive, positive + cells.by_patient(0, places), level, of_one_class=False)
    y = true[places] / (true[places] + false[places])
    return Curve(x, y, low, high, cells.thresholds(places))


def _band(parts: np.ndarray, wholes: np.ndarray, level: float, of_one_class: bool) -> tuple[np.ndarray, np.ndarray]:
    """Jackknife intervals of shares; `parts` and `wholes` are counts by patient and place, ``(P, K)``."""
    ends = np.full((parts.shape[1], 2), np.nan)
    for place, (part, whole) in enumerate(zip(parts.T, wholes.T, strict=True)):
        holders, cells = int(np.count_nonzero(whole)), int(whole.sum())
        if holders < 2:
            continue
        without = (part.sum() - part) / np.maximum(cells - whole, 1)
        value = float(part.sum() / cells)
        ends[place] = share_interval(value, without, whole, holders, cells, level, of_one_class)
    return ends[:, 0], ends[:, 1]
