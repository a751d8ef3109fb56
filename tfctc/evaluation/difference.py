"""Difference of a metric between two sets of predictions for the same cells, such as those of two models."""

import numpy as np

from tfctc.errors import SplitError
from tfctc.evaluation.intervals import difference_interval, leave_one_out
from tfctc.evaluation.metrics import METRICS, basis_of, compute_metrics


def metric_difference(
    labels: np.ndarray,
    groups: np.ndarray,
    before: tuple[np.ndarray, float],
    after: tuple[np.ndarray, float],
    metrics: tuple[str, ...] = METRICS,
) -> dict[str, dict[str, float]]:
    """Metrics of the predictions `after` minus those of `before`, with 95 % intervals by patient.

    Both models are left without the same patient at a time, so that what makes a patient hard for both cancels out.

    Args:
        labels: ``(N,)`` 0 or 1.
        groups: ``(N,)`` the patient of each cell.
        before, after: probabilities of the positive class ``(N,)`` in [0, 1], and the threshold of each model.
        metrics: names of the metrics, of `METRICS`.

    Returns:
        Metric -> "value", "low" and "high"; without a metric that is undefined, or that rests on cells of one patient.

    Raises:
        SplitError: cells of fewer than two patients.
    """
    if len(np.unique(groups)) < 2:
        problem = "an interval by patient needs two patients or more, got one"
        raise SplitError(problem, fix="fit with more patients, or with a larger split.validation and split.test")

    def differences(weights):
        one, other = (compute_metrics(labels, *model, weights, metrics) for model in (before, after))
        return {name: other[name] - one[name] for name in metrics}

    values, without = leave_one_out(differences, groups)
    bases = [basis_of(labels, *model, groups) for model in (before, after)]
    found = {}
    for name in metrics:
        weights = np.sum([basis[name].weights for basis in bases], axis=0)
        holders, cells = (min(getattr(basis[name], key) for basis in bases) for key in ("holders", "cells"))
        if holders >= 2 and np.isfinite(values[name]):
            low, high = difference_interval(values[name], without[name], weights, holders, cells)
            found[name] = {"value": float(values[name]), "low": low, "high": high}
    return found


def f1_loss(
    labels: np.ndarray, groups: np.ndarray, threshold: float, before: np.ndarray, after: np.ndarray
) -> dict[str, float]:
    """F1 of the probabilities `before` minus that of `after`, at one threshold, with its interval.

    Raises:
        SplitError: positive cells of fewer than two patients.
    """
    # The order is reversed, because a loss is a positive difference.
    found = metric_difference(labels, groups, (after, threshold), (before, threshold), ("f1",))
    if not found:
        problem = "an interval by patient needs positive cells of two patients or more"
        raise SplitError(problem, fix="fit with more patients, or with a larger split.validation and split.test")
    return found["f1"]
