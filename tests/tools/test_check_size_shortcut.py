"""The size-matched AUROC against a count of pairs."""

import numpy as np
import pytest
from check_size_shortcut import matched_auroc


def test_only_pairs_of_one_stratum_count():
    rng = np.random.default_rng(0)
    diameter, positive = np.repeat([8.0, 10.0, 12.0], 20), rng.random(60) < 0.4
    score = rng.normal(positive, 1.0)
    pairs = [
        float(score[i] > score[j])
        for i in np.flatnonzero(positive)
        for j in np.flatnonzero(~positive)
        if diameter[i] == diameter[j]
    ]
    assert matched_auroc(positive, score, diameter, 3) == pytest.approx(np.mean(pairs))


def test_a_score_that_is_the_diameter_alone_is_near_chance_within_strata():
    rng = np.random.default_rng(0)
    positive = rng.random(4000) < 0.5
    diameter = rng.normal(10 + 1.5 * positive, 1.5)
    assert matched_auroc(positive, diameter, diameter, 1) > 0.7
    assert matched_auroc(positive, diameter, diameter, 40) < 0.56
