"""Metrics of a classifier at a threshold, and how that threshold is chosen. The values are scikit-learn's."""

import numpy as np
from sklearn import metrics as sk

from tfctc.errors import ConfigError

#: Rules that choose a threshold.
RULES = ("f1", "youden")
METRICS = ("f1", "precision", "recall", "specificity", "auroc", "average_precision")


def compute_metrics(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Metrics of one set of predictions.

    Args:
        labels: ``(N,)`` 0 or 1.
        probabilities: ``(N,)`` of the positive class; positive is called from `threshold` upwards.
        weights: ``(N,)`` how often each cell counts (the bootstrap's way of resampling); once by default.

    Returns:
        Each of `METRICS` in [0, 1]; NaN where it is undefined (a class is absent).
    """
    (tn, fp), (fn, tp) = _confusion(labels, probabilities, threshold, weights)
    values = {
        "f1": _f1(fp, fn, tp),
        # If there are positive cells and none is called, precision is 0, as in scikit-learn, and not undefined.
        "precision": (tp / (tp + fp) if tp + fp else 0.0) if tp + fn else np.nan,
        "recall": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "auroc": np.nan,
        "average_precision": np.nan,
    }
    if tp + fn and tn + fp:
        values["auroc"] = sk.roc_auc_score(labels, probabilities, sample_weight=weights)
        values["average_precision"] = sk.average_precision_score(labels, probabilities, sample_weight=weights)
    return {name: float(values[name]) for name in METRICS}


def f1(labels: np.ndarray, probabilities: np.ndarray, threshold: float, weights: np.ndarray | None = None) -> float:
    """F1 alone, as `compute_metrics` has it, for a bootstrap that needs no more."""
    (_, fp), (fn, tp) = _confusion(labels, probabilities, threshold, weights)
    return float(_f1(fp, fn, tp))


def _f1(fp: float, fn: float, tp: float) -> float:
    return _ratio(2 * tp, 2 * tp + fp + fn) if tp + fn else np.nan


def _confusion(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> np.ndarray:
    # Against a float32 array NumPy would round the threshold to float32, perhaps onto a cell's own probability.
    called = np.asarray(probabilities, np.float64) >= threshold
    # A bootstrap needs this a thousand times: scikit-learn's function takes 100 times as long.
    return np.bincount(2 * np.asarray(labels, np.int64) + called, weights, minlength=4).reshape(2, 2)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def confusion(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> list[list[int]]:
    """Confusion matrix ``[[TN, FP], [FN, TP]]``: rows are truth, columns are calls."""
    return _confusion(labels, probabilities, threshold).tolist()


def fixed_threshold(rule: str) -> float | None:
    """The number that `rule` is, or None if it is one of `RULES`.

    Raises:
        ConfigError: a number that is not between 0 and 1, or another word.
    """
    if rule in RULES:
        return None
    try:
        fixed = float(rule)
    except ValueError:
        fix = f"choose {', '.join(RULES)} or a number"
        raise ConfigError(f"unknown threshold rule {rule!r}", fix=fix) from None
    if not 0 < fixed < 1:
        raise ConfigError(f"a threshold must be between 0 and 1, got {rule}")
    return fixed


def choose_threshold(labels: np.ndarray, probabilities: np.ndarray, rule: str = "f1") -> float:
    """The threshold in (0, 1] that is best by `rule`, halfway to the next lower probability.

    Args:
        rule: "f1" (highest F1), "youden" (highest sensitivity + specificity), or a number in (0, 1) taken as it is.

    Raises:
        ConfigError: another rule.
    """
    fixed = fixed_threshold(rule)
    if fixed is not None:
        return fixed
    # In float32, halfway between two neighbours is one of them.
    probabilities = np.asarray(probabilities, np.float64)
    if rule == "f1":
        precision, recall, candidates = sk.precision_recall_curve(labels, probabilities)
        quality = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
        best = candidates[np.argmax(quality[:-1])]
    else:
        false_positive, true_positive, candidates = sk.roc_curve(labels, probabilities)
        best = candidates[np.argmax(true_positive - false_positive)]
    # Halfway, so that rounding in an exported file does not move the cell that set the threshold across it.
    lower = probabilities[probabilities < best]
    return float((min(best, 1.0) + (lower.max() if lower.size else 0.0)) / 2)
