"""Calibration against scikit-learn, known truths and limits."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

from tfctc.evaluation.calibration import Calibration, fit_calibration


def cells(n, scale, bias, patients=None, seed=0, mean=0.0):
    """Labels and log-odds of cells whose true log-odds are ``scale * log_odds + bias``, and their patients."""
    rng = np.random.default_rng(seed)
    z = rng.normal(mean, 2, n)
    labels = (rng.random(n) < expit(scale * z + bias)).astype(int)
    return labels, z, np.arange(n) % (patients or n)


def test_with_many_cells_the_prior_does_not_matter_and_the_fit_is_scikit_learns():
    labels, z, patients = cells(50_000, 0.6, -1.3)
    found = fit_calibration(labels, z, patients, 0.5)
    expected = LogisticRegression(C=np.inf, tol=1e-8).fit(z[:, None], labels)
    assert found.scale == pytest.approx(expected.coef_.item(), rel=2e-3)
    assert found.bias == pytest.approx(expected.intercept_.item(), abs=5e-3)


@pytest.mark.parametrize(("scale", "bias"), [(0.3, 0.0), (2.0, -3.0), (1.0, 1.5)])
def test_a_known_scale_and_bias_are_found(scale, bias):
    found = fit_calibration(*cells(40_000, scale, bias, patients=400), 0.5)
    assert found.scale == pytest.approx(scale, rel=0.06) and found.bias == pytest.approx(bias, abs=0.12)
    assert (found.cells, found.patients, found.fitted_on) == (40_000, 400, "validation")


@pytest.mark.parametrize("positives", [0.01, 0.3])
def test_class_weights_are_taken_back_where_the_network_is_right_but_for_them(positives):
    """The best network under balanced weights: two normal distributions, whose likelihood ratio is known."""
    rng = np.random.default_rng(1)
    labels = (np.arange(6000) < 6000 * positives).astype(int)
    image = rng.normal(2.0 * labels, 1.0)
    balanced = 2.0 * image - 2.0  # log N(x; 2, 1) - log N(x; 0, 1)
    found = fit_calibration(labels, balanced, np.arange(6000) % 60, 0.5)
    expected = expit(balanced + logit(positives))
    assert found.prevalence == pytest.approx(positives)
    np.testing.assert_allclose(found(balanced), expected, atol=0.05)
    # Trained without weights, the same network needs no shift.
    found = fit_calibration(labels, balanced + logit(positives), np.arange(6000) % 60, positives)
    np.testing.assert_allclose(found(balanced + logit(positives)), expected, atol=0.05)


def test_few_cells_of_two_patients_stay_near_the_value_that_takes_the_weights_back():
    labels, z, patients = np.array([1, 0, 0, 0, 1, 0, 0, 0]), np.tile([3.0, -1.0, -2.0, 0.0], 2), np.repeat([0, 1], 4)
    found = fit_calibration(labels, z, patients, 0.5)
    assert abs(found.bias - logit(0.25)) < 0.5 and 0.5 < found.scale < 2


@pytest.mark.parametrize("factor", [1.0, 30.0, -1.0])
def test_separated_classes_and_reversed_ones_give_a_finite_scale_above_0(factor):
    labels = np.repeat([0, 1], 200)
    z = factor * np.where(labels == 1, 1.0, -1.0)
    found = fit_calibration(labels, z, np.arange(400) % 10, 0.5)
    assert 0 < found.scale < 10 and np.isfinite(found.bias)
    probabilities = found(np.sort(z))
    assert (np.diff(probabilities) >= 0).all() and probabilities.min() > 0 and probabilities.max() < 1


def test_a_patient_with_most_cells_does_not_decide_alone():
    """One patient's log-odds are shifted by 2; those of nineteen others are right."""
    labels, z, _ = cells(20_000, 1.0, 0.0)
    patients = np.where(np.arange(20_000) < 18_000, 0, 1 + np.arange(20_000) % 19)
    shifted = z + np.where(patients == 0, 2.0, 0.0)
    everyone = LogisticRegression(C=np.inf).fit(shifted[:, None], labels)
    found = fit_calibration(labels, shifted, patients, 0.5)
    assert abs(found.bias) < 0.35 and everyone.intercept_.item() < -1.4


def test_the_prevalence_is_that_of_all_cells_also_where_a_patient_with_many_has_another():
    rng = np.random.default_rng(2)
    patients = np.where(np.arange(20_000) < 16_000, 0, 1 + np.arange(20_000) % 40)
    labels = (rng.random(20_000) < np.where(patients == 0, 0.1, 0.5)).astype(int)
    balanced = 2.0 * rng.normal(2.0 * labels, 1.0) - 2.0
    found = fit_calibration(labels, balanced, patients, 0.5)
    assert found.bias == pytest.approx(logit(labels.mean()), abs=0.1)


def test_the_same_cells_in_another_order_give_the_same_fit():
    labels, z, patients = cells(500, 0.7, 0.4, patients=7)
    order = np.random.default_rng(3).permutation(500)
    one, other = (fit_calibration(labels[i], z[i], patients[i], 0.5) for i in (np.arange(500), order))
    assert (one.scale, one.bias) == pytest.approx((other.scale, other.bias), rel=1e-6)


def test_one_class_cannot_be_calibrated():
    with pytest.raises(ValueError, match="both classes"):
        fit_calibration(np.zeros(5), np.arange(5.0), np.arange(5), 0.5)


def test_it_is_plain_json_and_the_default_changes_nothing():
    found = fit_calibration(*cells(300, 0.7, 0.4, patients=7), 0.5)
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found and found.is_fitted
    z = np.linspace(-50, 50, 11)
    np.testing.assert_allclose(Calibration()(z), 1 / (1 + np.exp(-z)))
    assert not Calibration().is_fitted


@pytest.mark.parametrize("values", [{"scale": 0.0}, {"scale": -1.0}, {"bias": float("nan")}, {"slope": 1.0}])
def test_values_that_are_no_calibration_are_refused(values):
    with pytest.raises((TypeError, ValueError)):
        Calibration.from_dict(values)


def test_class_weights_of_three_classes_are_taken_back():
    """The best network under balanced weights: three normal distributions in the plane, whose likelihoods are known."""
    rng, shares = np.random.default_rng(2), np.array([0.7, 0.1, 0.2])
    classes = rng.choice(3, 20_000, p=shares)
    centres = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    points = centres[classes] + rng.normal(size=(20_000, 2))
    logits = -0.5 * np.square(points[:, None] - centres).sum(axis=2)
    weights = 1 / (3 * shares)
    other_bias = float(np.log(weights[0] / weights[2]))
    found = fit_calibration(classes == 1, logits, np.arange(20_000) % 100, 1 / 3, other_bias=other_bias)
    assert found.scale == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(found(logits), softmax(logits + np.log(shares), axis=1)[:, 1], atol=0.03)
    # Any scale of the same network is found, and taken back.
    again = fit_calibration(classes == 1, 4 * logits, np.arange(20_000) % 100, 1 / 3, other_bias=other_bias)
    np.testing.assert_allclose(again(4 * logits), found(logits), atol=0.02)
