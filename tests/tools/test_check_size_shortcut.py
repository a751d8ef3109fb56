"""The AUROC among cells of one size or one patient, against a count of pairs."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score


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


def test_within_patients_what_sets_patients_apart_is_not_seen(tool):
    rng = np.random.default_rng(0)
    patient, positive = np.repeat(["a", "b", "c"], [30, 50, 20]), rng.random(100) < 0.4
    score = rng.normal(positive, 1.0)
    offset = np.select([patient == "a", patient == "b"], [0.0, 5.0], -5.0)
    pairs = [
        float(score[i] > score[j])
        for i in np.flatnonzero(positive)
        for j in np.flatnonzero(~positive)
        if patient[i] == patient[j]
    ]
    auroc_within = tool("check_size_shortcut").auroc_within
    assert auroc_within(patient, positive, score + offset) == pytest.approx(np.mean(pairs))
    assert roc_auc_score(positive, score + offset) < np.mean(pairs) - 0.05
