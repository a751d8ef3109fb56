"""Metrics of a binary classifier at a threshold, and the choice of this threshold. Values equal scikit-learn's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn import metrics as sk

from tfctc.errors import ConfigError
from tfctc.evaluation.intervals import joint_weights

#: Rules that choose a threshold.
RULES = ("f1", "youden")
METRICS = ("f1", "precision", "recall", "specificity", "auroc", "average_precision")


@dataclass(frozen=True)
class Basis:
    """Cells that a metric rests on, counted by patient.

    Args:
        needed: kind of cells without which the metric is undefined -> ``(P,)`` numbers of such cells. A kind is
            "positive", "negative" or "called" (positive by the threshold).
        weights: ``(P,)`` each patient's part in the metric.
        cells: number of cells that the metric rests on.
        of_one_class: whether the metric is a share of the cells of one class.
    """

    needed: Mapping[str, np.ndarray]
    weights: np.ndarray
    cells: int
    of_one_class: bool = False

    @property
    def holders(self) -> int:
        """Number of patients that hold the rarest kind of cells."""
        return min(int(np.count_nonzero(counts)) for counts in self.needed.values())


def compute_metrics(
    labels: np.ndarray,
    probabilities: np.ndarray,
    threshold: float,
    weights: np.ndarray | None = None,
    names: Sequence[str] = METRICS,
) -> dict[str, float]:
    """Metrics of one set of predictions.

    Args:
        labels: ``(N,)`` 0 or 1.
        probabilities: ``(N,)`` probabilities of the positive class, in [0, 1].
        threshold: a cell is called positive from this probability upwards.
        weights: ``(N,)`` sample weights, such as 0 for the cells of a patient that is left out; None for 1.
        names: the metrics to compute, of `METRICS`.

    Returns:
        Each of `names`, in [0, 1]; NaN where a metric is undefined because a class is absent, or for the precision
        because no cell is called positive.
    """
    (tn, fp), (fn, tp) = _confusion(labels, probabilities, threshold, weights)
    values = {
        "f1": _f1(fp, fn, tp),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
    }
    # Computed only if asked for: they take far longer than the others.
    areas = {"auroc": sk.roc_auc_score, "average_precision": sk.average_precision_score}
    for name in areas.keys() & names:
        both = tp + fn and tn + fp
        values[name] = areas[name](labels, probabilities, sample_weight=weights) if both else np.nan
    return {name: float(values[name]) for name in names}


def basis_of(labels: np.ndarray, probabilities: np.ndarray, threshold: float, groups: np.ndarray) -> dict[str, Basis]:
    """Cells that each of `METRICS` rests on.

    Args:
        labels, probabilities, threshold: as for `compute_metrics`.
        groups: ``(N,)`` the patient of each cell.
    """
    members = np.unique(groups, return_inverse=True)[1]
    patients = int(members.max(initial=-1)) + 1

    def by_patient(chosen):
        return np.bincount(members[chosen], minlength=patients)

    labels = np.asarray(labels)
    positive, negative = by_patient(labels == 1), by_patient(labels == 0)
    called = by_patient(np.asarray(probabilities, np.float64) >= threshold)
    both = {"positive": positive, "negative": negative}
    ranked = Basis(both, joint_weights([positive, negative]), int(min(positive.sum(), negative.sum())))
    return {
        "f1": Basis({"positive": positive}, positive + called, int(positive.sum())),
        "precision": Basis({"called": called}, called, int(called.sum())),
        "recall": Basis({"positive": positive}, positive, int(positive.sum()), of_one_class=True),
        "specificity": Basis({"negative": negative}, negative, int(negative.sum()), of_one_class=True),
        "auroc": ranked,
        "average_precision": ranked,
    }


def f1(labels: np.ndarray, probabilities: np.ndarray, threshold: float, weights: np.ndarray | None = None) -> float:
    """The F1 of `compute_metrics` alone. Same arguments."""
    (_, fp), (fn, tp) = _confusion(labels, probabilities, threshold, weights)
    return float(_f1(fp, fn, tp))


def _f1(fp: float, fn: float, tp: float) -> float:
    return _ratio(2 * tp, 2 * tp + fp + fn) if tp + fn else np.nan


def _confusion(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> np.ndarray:
    # NumPy would round the threshold to float32 for a float32 array, and it could become equal to a cell's probability.
    called = np.asarray(probabilities, np.float64) >= threshold
    # An interval calls this for every patient, and sklearn.metrics.confusion_matrix is far slower.
    return np.bincount(2 * np.asarray(labels, np.int64) + called, weights, minlength=4).reshape(2, 2)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def confusion(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> list[list[int]]:
    """Confusion matrix ``[[TN, FP], [FN, TP]]``: rows are true classes, columns are predicted ones."""
    return _confusion(labels, probabilities, threshold).tolist()


def fixed_threshold(rule: str) -> float | None:
    """The threshold if `rule` is a number as text; None if it is one of `RULES`.

    Raises:
        ConfigError: a number that is not between 0 and 1, or another word.
    """
    if rule in RULES:
        return None
    try:
        fixed = float(rule)
    except ValueError:
        fix = f"choose {', '.join(RULES)} or a number between 0 and 1"
        raise ConfigError(f"unknown threshold rule {rule!r}", fix=fix) from None
    if not 0 < fixed < 1:
        raise ConfigError(f"a threshold must be between 0 and 1, got {rule}")
    return fixed


def choose_threshold(labels: np.ndarray, probabilities: np.ndarray, rule: str = "f1") -> float:
    """The best threshold by `rule`, in (0, 1]: halfway between the best probability and the next lower one.

    Args:
        labels: ``(N,)`` 0 or 1.
        probabilities: ``(N,)`` probabilities of the positive class, in [0, 1].
        rule: "f1" (highest F1), "youden" (highest sensitivity + specificity; Youden 1950, "Index for rating diagnostic
            tests"), or a number in (0, 1) as text, which is returned as it is.

    Raises:
        ConfigError: another rule.
    """
    fixed = fixed_threshold(rule)
    if fixed is not None:
        return fixed
    # In float32 the midpoint of two neighbouring numbers would be one of them.
    probabilities = np.asarray(probabilities, np.float64)
    if rule == "f1":
        precision, recall, candidates = sk.precision_recall_curve(labels, probabilities)
        quality = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
        best = candidates[np.argmax(quality[:-1])]
    else:
        false_positive, true_positive, candidates = sk.roc_curve(labels, probabilities)
        best = candidates[np.argmax(true_positive - false_positive)]
    # At the probability of a cell itself, rounding in an exported file could change the label of that cell.
    lower = probabilities[probabilities < best]
    return float((min(best, 1.0) + (lower.max() if lower.size else 0.0)) / 2)
