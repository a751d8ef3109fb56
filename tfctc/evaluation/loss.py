"""What is lost of F1 by answering otherwise, cell by cell the same."""

import numpy as np

from tfctc.evaluation.intervals import bootstrap
from tfctc.evaluation.metrics import f1


def f1_loss(
    labels: np.ndarray, groups: np.ndarray, threshold: float, before: np.ndarray, after: np.ndarray, seed: int = 0
) -> dict[str, float]:
    """F1 of probabilities `before` less that of `after`, ``(N,)`` each, at one threshold.

    Returns:
        "value", and "low" and "high" of its 95 % interval: a bootstrap that draws patients, for both alike.

    Raises:
        SplitError: cells of fewer than two patients in `groups`, ``(N,)``.
    """

    def lost(weights=None):
        return f1(labels, before, threshold, weights) - f1(labels, after, threshold, weights)

    low, high = bootstrap(lambda weights: {"loss": lost(weights)}, groups, seed=seed)["loss"]
    return {"value": float(lost()), "low": float(low), "high": float(high)}
