"""The loss of F1 against scikit-learn, and its interval against the effect of pairing."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tfctc.evaluation.f1_loss import f1_loss


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    labels, patients = rng.integers(0, 2, 600), np.repeat(np.arange(20), 30)
    before = np.clip(0.5 + 0.3 * (labels - 0.5) + rng.normal(0, 0.2, 600), 0, 1)
    return labels, patients, before, rng


def test_the_loss_is_the_difference_of_scikit_learns_f1(cells):
    labels, patients, before, rng = cells
    after = np.clip(before + rng.normal(0, 0.2, 600), 0, 1)
    found = f1_loss(labels, patients, 0.5, before, after)
    assert found["value"] == pytest.approx(f1_score(labels, before >= 0.5) - f1_score(labels, after >= 0.5))
    assert found["low"] < found["value"] < found["high"] and found["low"] > 0


def test_equal_predictions_lose_exactly_nothing_however_uncertain_f1_is(cells):
    labels, patients, before, _ = cells
    assert f1_loss(labels, patients, 0.5, before, before) == {"value": 0, "low": 0, "high": 0}


def test_a_change_in_one_patient_has_a_wider_interval_than_the_same_change_in_all(cells):
    labels, patients, before, _ = cells
    everywhere = np.where(np.arange(600) % 20 == 0, 1 - before, before)
    in_one = np.where(patients == 3, 1 - before, before)
    widths = [np.diff([f1_loss(labels, patients, 0.5, before, after)[k] for k in ("low", "high")])[0]
              for after in (everywhere, in_one)]  # fmt: skip
    assert widths[1] > widths[0] > 0
