"""Prevalence of the positive class among cells without labels, estimated from the probabilities of a network."""

import numpy as np

#: Number of steps, by which the estimate has long settled.
STEPS = 200


def estimated_prevalence(probabilities: np.ndarray, network_prevalence: float) -> float:
    """Maximum-likelihood estimate by the EM algorithm of Saerens et al. 2002, "Adjusting the outputs of a classifier".

    It assumes that positive cells look alike among these cells and those of the training, and so do the others; and
    that the probabilities are right but for the prevalence. An overconfident network puts it between the share of its
    calls and the truth.

    Args:
        probabilities: ``(N,)`` in [0, 1] of the positive class.
        network_prevalence: prevalence at which they hold, in (0, 1): 1/2 for a network that was trained with balanced
            classes.
    """
    p = np.asarray(probabilities, np.float64)
    found = network_prevalence
    for _ in range(STEPS):
        positive = p * found / network_prevalence
        negative = (1 - p) * (1 - found) / (1 - network_prevalence)
        found = float((positive / np.maximum(positive + negative, 1e-300)).mean())
    return found
