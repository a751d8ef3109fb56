"""The prevalence of unlabelled cells, against mixtures whose prevalence and likelihoods are known."""

import numpy as np
import pytest
from scipy.special import expit

from tfctc.evaluation.prevalence import estimated_prevalence


@pytest.mark.parametrize("prevalence", [0.0, 0.01, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("trained_at", [0.5, 0.2])
def test_the_share_of_positive_cells_is_found(prevalence, trained_at):
    rng = np.random.default_rng(0)
    labels = np.arange(4000) < 4000 * prevalence
    image = rng.normal(3.0 * labels, 1.0)
    odds = 3.0 * image - 4.5 + np.log(trained_at / (1 - trained_at))  # log N(x; 3, 1) - log N(x; 0, 1), and the prior
    found = estimated_prevalence(expit(odds), trained_at)
    assert found == pytest.approx(prevalence, abs=0.015)


def test_probabilities_of_0_and_1_are_counted():
    assert estimated_prevalence(np.array([1.0, 0.0, 0.0, 0.0]), 0.5) == pytest.approx(0.25)
