"""Curves against scikit-learn, and their bands against the intervals of an evaluation."""

import numpy as np
import pytest
from sklearn import metrics as sk

from tfctc.evaluation.curves import precision_recall_curve, roc_curve
from tfctc.evaluation.evaluate import estimates
from tfctc.evaluation.predictions import Predictions


def cells(count=300, patients=6, seed=0, digits=2):
    """Predictions with ties."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    probability = np.round(np.clip(0.5 + 0.25 * (labels - 0.5) + rng.normal(0, 0.2, count), 0, 1), digits)
    return Predictions(np.arange(count).astype(str), (np.arange(count) % patients).astype(str), labels, probability)


def sensitivity(labels, probability, rate):
    """Highest sensitivity at a false-positive rate, by trying every threshold."""
    false, true, _ = sk.roc_curve(labels, probability, drop_intermediate=False)
    return true[false <= rate + 1e-9].max()


def precision(labels, probability, recall):
    """Precision at the highest threshold that reaches a recall."""
    values, recalls, _ = sk.precision_recall_curve(labels, probability)
    reached = np.flatnonzero(recalls[:-1] >= recall - 1e-9)
    return values[reached[-1]]


@pytest.mark.parametrize("digits", [1, 2, 8])
def test_the_curves_are_those_of_scikit_learn(digits):
    test = cells(digits=digits)
    roc, pr = roc_curve(test), precision_recall_curve(test)
    np.testing.assert_allclose(roc.y, [sensitivity(test.label, test.probability, x) for x in roc.x])
    np.testing.assert_allclose(pr.y, [precision(test.label, test.probability, x) for x in pr.x])
    assert roc.x[0] == 0 and roc.x[-1] == pr.x[-1] == 1 and pr.x[0] > 0


@pytest.mark.parametrize(("curve", "metric"), [(roc_curve, "recall"), (precision_recall_curve, "precision")])
def test_the_band_is_that_of_an_evaluation_at_the_same_threshold(curve, metric):
    test = cells()
    names = {"positive": "yes", "negative": "no", "called": "called yes", "groups": "patients"}
    found = curve(test)
    for i in (3, 20, 50, 90):
        expected = estimates(test, found.thresholds[i], names)[metric]
        assert found.y[i] == pytest.approx(expected.value)
        assert (found.low[i], found.high[i]) == pytest.approx((expected.low, expected.high))
    assert found.has_band


def test_cells_of_one_patient_have_no_band():
    for curve in (roc_curve, precision_recall_curve):
        assert not curve(cells(patients=1)).has_band


def test_cells_of_one_class_have_no_curve():
    test = cells()
    assert roc_curve(test.of(test.label == 1)) is None and precision_recall_curve(test.of(test.label == 0)) is None


def test_perfect_predictions_reach_the_corner():
    labels = np.array([0, 0, 1, 1])
    test = Predictions(np.arange(4).astype(str), np.array(["a", "b", "a", "b"]), labels, labels.astype(float))
    assert roc_curve(test).y.min() == 1 and precision_recall_curve(test).y.min() == 1
