"""Differences between predictions for the same cells against scikit-learn, and the effect of pairing."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from tfctc.errors import SplitError
from tfctc.evaluation.difference import f1_loss, metric_difference
from tfctc.evaluation.metrics import METRICS


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


def test_equal_predictions_lose_nothing_on_these_cells_and_hardly_more_on_others(cells):
    labels, patients, before, _ = cells
    found = f1_loss(labels, patients, 0.5, before, before)
    assert found["value"] == 0 and -found["low"] == found["high"] == pytest.approx(1 - 0.025 ** (1 / labels.sum()))


def test_a_change_in_one_patient_has_a_wider_interval_than_the_same_change_in_all(cells):
    labels, patients, before, _ = cells
    everywhere = np.where(np.arange(600) % 20 == 0, 1 - before, before)
    in_one = np.where(patients == 3, 1 - before, before)
    widths = [np.diff([f1_loss(labels, patients, 0.5, before, after)[k] for k in ("low", "high")])[0]
              for after in (everywhere, in_one)]  # fmt: skip
    assert widths[1] > widths[0] > 0


def test_every_metric_has_a_paired_difference(cells):
    labels, patients, before, rng = cells
    after = np.clip(before + rng.normal(0, 0.05, 600), 0, 1)
    found = metric_difference(labels, patients, (before, 0.5), (after, 0.4))
    assert tuple(found) == METRICS
    auroc = found["auroc"]
    assert auroc["value"] == pytest.approx(roc_auc_score(labels, after) - roc_auc_score(labels, before))
    # Both models know the same patients, so that the difference is far more certain than either metric.
    assert auroc["high"] - auroc["low"] < 0.02


def test_one_patient_has_no_difference_and_a_class_of_one_patient_none_of_its_metrics(cells):
    labels, patients, before, _ = cells
    with pytest.raises(SplitError, match="two patients"):
        metric_difference(labels, np.zeros(600), (before, 0.5), (before, 0.5))
    one = np.where(patients == 0, labels, 0)
    assert set(metric_difference(one, patients, (before, 0.5), (before, 0.6))) == {"precision", "specificity"}
    with pytest.raises(SplitError, match="positive cells of two patients"):
        f1_loss(one, patients, 0.5, before, before)
