"""Stacking: calibrated probabilities of several teachers together, and how often a cell is to be drawn by them."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from tfctc.distill.teacher_kinds import Opinion

#: Inverse strength of the penalty on the weights, by which few cells cannot make teachers overconfident.
PENALTY = 1.0
#: Largest factor by which a cell is drawn more often than the average one.
MOST_DRAWN = 10.0


def combine(opinions: Sequence[Opinion], label: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
    """Calibrated probabilities of several teachers together: stacking (Wolpert 1992, "Stacked generalization").

    The logits are a sum of the teachers' logits with weights of 0 or more (Breiman 1996, "Stacked regressions"), plus a
    bias of each class: with two classes, a logistic regression. It is fitted with all classes of equal weight on the
    labelled cells that no teacher has seen, so that the probabilities are those for new cells. A teacher that is worse
    than chance on them does not count.

    Args:
        opinions: of each teacher, for the same N cells.
        label: class index, int ``(N,)``; -1 for an unlabelled cell. There must be labelled cells of two classes that no
            teacher has seen.
        prior: prevalence of each class at which the probabilities are to hold, ``(K,)``; None if equal.

    Returns:
        Float64 ``(N, K)``; all 0 for a cell that a teacher has seen. A class without such a labelled cell has 0.
    """
    unseen = np.logical_and.reduce([opinion.unseen for opinion in opinions])
    known = unseen & (label >= 0)
    classes, index = np.unique(label[known], return_inverse=True)
    logits = np.stack([one.logits[:, classes] - one.logits[:, classes].mean(1, keepdims=True) for one in opinions])
    weights, biases = _fit(logits[:, known], index)
    combined = np.tensordot(weights, logits, 1) + biases
    if prior is not None:
        combined += np.log(np.maximum(prior[classes], 1e-12))
    probability = np.zeros(opinions[0].logits.shape)
    probability[:, classes] = softmax(combined, axis=1)
    return np.where(unseen[:, None], probability, 0.0)


def _fit(logits: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of teachers ``(T,)`` and biases of classes ``(K,)``, for logits ``(T, N, K)`` and labels ``(N,)``.

    They minimise the penalised cross-entropy that scikit-learn's `LogisticRegression` does.
    """
    teachers, cells, classes = logits.shape
    truth = np.eye(classes)[label]
    balance = (truth @ (cells / (classes * truth.sum(0))))[:, None]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, biases = values[:teachers], values[teachers:]
        log_p = log_softmax(np.tensordot(weights, logits, 1) + biases, axis=1)
        error = balance * (np.exp(log_p) - truth)
        value = weights @ weights / (2 * PENALTY) - (balance * truth * log_p).sum()
        return value, np.concatenate([weights / PENALTY + (logits * error).sum((1, 2)), error.sum(0)])

    start = np.concatenate([np.full(teachers, 1 / teachers), np.zeros(classes)])
    bounds = [(0, None)] * teachers + [(None, None)] * classes
    values = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return values[:teachers], values[teachers:]


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
