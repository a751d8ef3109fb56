"""Metrics of calibration, against scikit-learn and closed forms."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from tfctc.evaluation.calibration_metrics import (
    METRICS,
    calibration_metrics,
    expected_calibration_error,
    reliability_curve,
    wilson_interval,
)


def predictions(n=4000, slope=1.0, shift=0.0, prior=0.0, seed=0):
    """Labels, and probabilities whose log-odds are ``slope`` times the true ones, shifted."""
    rng = np.random.default_rng(seed)
    z = rng.normal(prior, 1.5, n)
    return (rng.random(n) < expit(z)).astype(int), expit(slope * z + shift)


@pytest.mark.parametrize("prior", [0.0, -5.5])
def test_scores_are_scikit_learns(prior):
    labels, p = predictions(slope=1.7, shift=0.4, prior=prior)
    found = calibration_metrics(labels, p)
    assert tuple(found) == METRICS
    assert found["brier_score"] == pytest.approx(brier_score_loss(labels, p))
    assert found["log_loss"] == pytest.approx(log_loss(labels, p))
    expected = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000).fit(logit(p)[:, None], labels).coef_.item()
    assert found["calibration_slope"] == pytest.approx(expected, rel=1e-3)
    assert np.mean(expit(logit(p) + found["calibration_intercept"])) == pytest.approx(labels.mean())


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (2.0, 0.0), (1.0, -1.0)])
def test_slope_and_intercept_undo_what_was_done(slope, shift):
    found = calibration_metrics(*predictions(200_000, slope, shift))
    assert found["calibration_slope"] == pytest.approx(1 / slope, abs=0.02)
    if slope == 1:
        assert found["calibration_intercept"] == pytest.approx(-shift, abs=0.03)


@pytest.mark.parametrize("prior", [0.0, -5.5])
def test_the_curve_and_its_error_are_those_of_scikit_learns_quantile_bins(prior):
    labels, p = predictions(prior=prior, slope=1.5)
    share, mean = calibration_curve(labels, p, n_bins=10, strategy="quantile")
    points = reliability_curve(labels, p, np.arange(len(p)))
    np.testing.assert_allclose([point.share for point in points], share)
    np.testing.assert_allclose([point.probability for point in points], mean)
    assert [point.cells for point in points] == [400] * 10
    assert expected_calibration_error(labels, p) == pytest.approx(np.abs(share - mean).mean())


def test_the_error_is_small_where_probabilities_are_right_and_is_the_shift_where_they_are_not():
    labels, p = predictions(100_000)
    assert expected_calibration_error(labels, p) < 0.01
    assert expected_calibration_error(labels, np.full(100_000, labels.mean() + 0.1)) == pytest.approx(0.1)


def test_at_one_in_a_hundred_the_bins_still_hold_equally_many_cells():
    rng = np.random.default_rng(4)
    p = expit(rng.normal(-5.5, 1.5, 4000))
    labels = (rng.random(4000) < p).astype(int)
    assert 0.005 < labels.mean() < 0.03 and expected_calibration_error(labels, p) < 0.01
    assert [point.cells for point in reliability_curve(labels, p, np.arange(4000) % 40)] == [400] * 10


def test_the_steps_of_an_integer_file_share_a_bin():
    p = np.repeat([0.0, 1 / 256], [900, 100])
    labels = np.r_[1, np.zeros(994), np.ones(5)]
    points = reliability_curve(labels, p, np.arange(1000) % 20)
    assert sum(point.cells for point in points) == 1000 and len(points) <= 2
    assert all(np.isfinite(value) for value in calibration_metrics(labels, p).values())


@pytest.mark.parametrize(
    ("labels", "p"), [([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9]), ([1, 1, 0, 0], [0.1, 0.2, 0.7, 0.9]), ([0, 0], [0.1, 0.2])]
)
def test_a_slope_that_is_not_finite_is_nan(labels, p):
    found = calibration_metrics(np.array(labels), np.array(p))
    assert np.isnan(found["calibration_slope"]) and np.isfinite(found["brier_score"])
    assert np.isnan(found["calibration_intercept"]) == (len(set(labels)) == 1)


def test_the_interval_of_independent_cells_is_wilsons_and_shared_patients_widen_it():
    rng = np.random.default_rng(5)
    labels = (rng.random(2000) < 0.3).astype(int)
    low, high = wilson_interval(labels, np.arange(2000))
    n, share, z = 2000, labels.mean(), 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=2e-4)
    alike = np.sort(labels)  # Patients whose cells are nearly all of one class.
    wide = wilson_interval(alike, np.arange(2000) // 100)
    assert wide[1] - wide[0] > 5 * (high - low) and 0 <= wide[0] < 0.3 < wide[1] <= 1


def test_the_interval_by_patient_covers_the_share():
    """Shares of patients vary; 12 patients of 40 cells, 400 times."""
    rng, covered = np.random.default_rng(6), 0
    patients = np.repeat(np.arange(12), 40)
    for _ in range(400):
        shares = rng.beta(4, 6, 12)
        low, high = wilson_interval((rng.random(480) < shares[patients]).astype(int), patients)
        covered += low <= 0.4 <= high
    assert 0.91 <= covered / 400 <= 0.99


def test_the_interval_where_no_cell_is_positive_begins_at_0_and_one_patient_has_none():
    low, high = wilson_interval(np.zeros(100), np.arange(100) % 10)
    assert low == 0 and 0.02 < high < 0.1
    assert np.isnan(wilson_interval(np.zeros(100), np.zeros(100))).all()
