"""Loss of F1 between two sets of predictions for the same cells, such as those of Keras and of a smaller file."""

import numpy as np

from tfctc.evaluation.intervals import bootstrap
from tfctc.evaluation.metrics import f1


def f1_loss(
    labels: np.ndarray, groups: np.ndarray, threshold: float, before: np.ndarray, after: np.ndarray, seed: int = 0
) -> dict[str, float]:
    """F1 of the probabilities `before` minus that of `after`, at one threshold.

    Args:
        labels: ``(N,)`` 0 or 1.
        groups: ``(N,)`` the patient of each cell.
        threshold: a cell is called positive from this probability upwards.
        before, after: ``(N,)`` probabilities of the positive class, in [0, 1].
        seed: seed of the bootstrap.

    Returns:
        "value", and "low" and "high" of its 95 % interval, from a bootstrap that draws the same patients for both.

    Raises:
        SplitError: cells of fewer than two patients.
    """

    def lost(weights=None):
        return f1(labels, before, threshold, weights) - f1(labels, after, threshold, weights)

    low, high = bootstrap(lambda weights: {"loss": lost(weights)}, groups, seed=seed)["loss"]
    return {"value": float(lost()), "low": float(low), "high": float(high)}
