"""The AUROC among cells of one size, against a count of pairs."""

import numpy as np
import pytest


@pytest.fixture
def matched_auroc(tool):
    return tool("check_size_shortcut").matched_auroc


def test_only_pairs_of_one_stratum_count(matched_auroc):
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


def test_whoever_measures_the_diameter_alone_is_found_out(matched_auroc):
    rng = np.random.default_rng(0)
    positive = rng.random(4000) < 0.5
    diameter = rng.normal(10 + 1.5 * positive, 1.5)
    assert matched_auroc(positive, diameter, diameter, 1) > 0.7
    assert matched_auroc(positive, diameter, diameter, 40) < 0.56
