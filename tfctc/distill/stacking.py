"""Stacking: calibrated probabilities of several teachers together, and how often a cell is to be drawn by them."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from tfctc.distill.teacher_kinds import Opinion

#: Inverse strength of the logistic regression's penalty, by which few cells cannot make teachers overconfident.
PENALTY = 1.0
#: Largest factor by which a cell is drawn more often than the average one.
MOST_DRAWN = 10.0


def combine(opinions: Sequence[Opinion], label: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
    """Calibrated probabilities of several teachers together: stacking (Wolpert 1992, "Stacked generalization").

    A logistic regression of the label on the teachers' log-odds, with all classes of equal weight. It is fitted on the
    labelled cells that no teacher has seen, so that the probabilities are those for new cells. With a single teacher it
    is Platt scaling (Platt 1999).

    Args:
        opinions: of each teacher, for the same N cells.
        label: class index, int ``(N,)``; -1 for an unlabelled cell. There must be labelled cells of two classes that no
            teacher has seen.
        prior: prevalence of each class at which the probabilities are to hold, ``(K,)``; None if equal.

    Returns:
        Float64 ``(N, K)``; all 0 for a cell that a teacher has seen.
    """
    unseen = np.logical_and.reduce([opinion.unseen for opinion in opinions])
    log_odds = np.concatenate([one.logits[:, 1:] - one.logits[:, :1] for one in opinions], axis=1)
    known = unseen & (label >= 0)
    model = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000)
    model.fit(log_odds[known], label[known])
    probability = np.zeros(opinions[0].logits.shape)
    probability[:, model.classes_] = model.predict_proba(log_odds)
    if prior is not None:
        probability *= prior * len(prior)
        probability /= probability.sum(1, keepdims=True)
    return np.where(unseen[:, None], probability, 0.0)


def balancing_weights(probability: np.ndarray, prevalence: float, at: float = 0.5) -> np.ndarray:
    """Factors by which cells are drawn as if half of them were positive, ``(N,)``, at most `MOST_DRAWN`.

    A factor is how often an image is in a balanced set over how often it is among the cells (importance sampling):
    (r + 1) / 2 over q r + 1 - q, with the likelihood ratio r = p(image | positive) / p(image | negative) and the
    prevalence q among the cells. At q = 1/2 every factor is 1.

    Args:
        probability: of the positive class, ``(N,)`` in [0, 1].
        prevalence: of the positive class among the cells.
        at: prevalence at which `probability` holds.
    """
    p = np.asarray(probability, np.float64)
    # Both sides are multiplied by (1 - p), so that p = 1 needs no special case.
    positive, negative = p * (1 - at), (1 - p) * at
    factor = (positive + negative) / 2 / np.maximum(prevalence * positive + (1 - prevalence) * negative, 1e-12)
    return np.minimum(factor, MOST_DRAWN)


def whole_draws(weights: np.ndarray, seed: int) -> np.ndarray:
    """Whole numbers of draws whose expectation is `weights`, int ``(N,)``: rounded up or down at random."""
    return np.floor(weights + np.random.default_rng(seed).random(len(weights))).astype(np.int64)
