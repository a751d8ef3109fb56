"""Intervals by patient against closed forms, a bootstrap over many patients, and simulated test sets."""

import numpy as np
import pytest
from patient_bootstrap import bootstrap
from scipy import stats
from sklearn.metrics import roc_auc_score

from tfctc.evaluation.intervals import (
    binomial_interval,
    difference_interval,
    effective_number,
    joint_weights,
    leave_one_out,
    share_interval,
)


def mean_of(values):
    return lambda weights: {"mean": float(np.average(values, weights=weights))}


def test_leaving_out_a_patient_is_the_statistic_of_the_others():
    values, groups = np.arange(6.0), np.array(["b", "a", "b", "c", "a", "c"])
    value, without = leave_one_out(mean_of(values), groups)
    assert value == {"mean": 2.5}
    np.testing.assert_allclose(without["mean"], [(0 + 2 + 3 + 5) / 4, (1 + 3 + 4 + 5) / 4, (0 + 1 + 2 + 4) / 4])


def test_equal_patients_give_students_interval_of_their_mean():
    """The jackknife of a mean of equal groups is the t interval of the groups' means, up to the logit's curvature."""
    rng = np.random.default_rng(0)
    shares = 0.5 + 0.01 * rng.normal(size=9)
    without = (shares.sum() - shares) / 8
    low, high = share_interval(shares.mean(), without, np.full(9, 10), 9, 90)
    expected = stats.t.interval(0.95, 8, shares.mean(), stats.sem(shares))
    np.testing.assert_allclose([low, high], expected, atol=2e-4)
    change = difference_interval(shares.mean() - 0.5, without - 0.5, np.full(9, 10), 9, 90)
    np.testing.assert_allclose(change, np.array(expected) - 0.5, atol=1e-9)


def test_two_patients_that_are_alike_by_chance_do_not_make_the_metric_certain():
    alike = share_interval(0.36, np.full(2, 0.36), np.full(2, 25), 2, 50)
    assert alike == binomial_interval(18, 50)
    without = np.array([0.36, 0.361])
    nearly = share_interval(0.36, without, np.full(2, 25), 2, 50, of_one_class=True)
    assert nearly[0] <= alike[0] and nearly[1] >= alike[1]
    assert np.diff(share_interval(0.36, without, np.full(2, 25), 2, 50))[0] < 0.02


def test_many_patients_have_the_interval_of_the_bootstrap():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 20)
    labels = (rng.random(1200) < 0.4).astype(int)
    scores = rng.normal(labels, 1) + rng.normal(0, 0.7, 60)[groups]

    def auroc(weights):
        return roc_auc_score(labels, scores, sample_weight=weights)

    value, without = leave_one_out(lambda weights: {"auroc": auroc(weights)}, groups)
    weights = joint_weights([np.bincount(groups[labels == i], minlength=60) for i in (0, 1)])
    found = share_interval(value["auroc"], without["auroc"], weights, 60, int(labels.sum()))
    np.testing.assert_allclose(found, bootstrap(auroc, groups, seed=0), atol=0.01)


@pytest.mark.parametrize(("value", "events"), [(0.0, 0), (1.0, 40)])
def test_at_the_ends_the_interval_is_that_of_clopper_and_pearson(value, events):
    found = share_interval(value, np.full(4, value), np.full(4, 10), 4, 40)
    end = 0.025 ** (1 / 40)
    assert found == pytest.approx((end, 1.0) if value else (0.0, 1 - end))
    assert found == binomial_interval(events, 40)


def test_a_binomial_interval_is_that_of_the_beta_distribution():
    expected = stats.beta.ppf(0.025, 4, 2), stats.beta.ppf(0.975, 5, 1)
    assert binomial_interval(4, 5) == pytest.approx(expected)


def test_an_auroc_near_1_keeps_a_narrow_interval():
    """One pair of 10,000 is in the wrong order: half a cell would be far more than the metric can tell."""
    low, high = share_interval(0.9999, np.array([1.0, 0.9998, 0.9999, 0.9999]), np.full(4, 25), 4, 100)
    assert 0.99 < low < 0.9999 < high < 1


def test_two_models_that_never_differ_keep_an_uncertain_difference():
    low, high = difference_interval(0.0, np.zeros(5), np.full(5, 8), 5, 40)
    assert -low == high == pytest.approx(1 - 0.025 ** (1 / 40))


def test_a_patient_with_most_cells_counts_as_most_of_the_patients():
    assert effective_number(np.full(7, 3)) == pytest.approx(7)
    assert effective_number(np.array([100, 1, 1])) == pytest.approx(102**2 / 10_002)
    even = share_interval(0.8, np.array([0.79, 0.81, 0.8, 0.8]), np.full(4, 10), 4, 40)
    uneven = share_interval(0.8, np.array([0.79, 0.81, 0.8, 0.8]), np.array([37, 1, 1, 1]), 4, 40)
    assert uneven[0] < even[0] and uneven[1] > even[1]


@pytest.mark.parametrize(("patients", "heavy"), [(4, False), (8, True)])
def test_the_interval_of_the_recall_covers_the_truth(patients, heavy):
    """600 simulated test sets; `docs/evidence/intervals` has more of them, and every metric."""
    rng = np.random.default_rng(7)

    def draw(count):
        cells = rng.negative_binomial(1, 1 / 16, count) if heavy else np.full(count, 20)
        return rng.binomial(cells, stats.norm.cdf(0.7 + rng.normal(0, 0.6, count))), cells

    found, cells = draw(200_000)
    truth, covered = found.sum() / cells.sum(), []
    for _ in range(600):
        found, cells = draw(patients)
        if np.count_nonzero(cells) < 2:
            continue
        without = (found.sum() - found) / np.maximum(cells.sum() - cells, 1)
        low, high = share_interval(
            found.sum() / cells.sum(), without, cells, int(np.count_nonzero(cells)), int(cells.sum())
        )
        covered.append(low <= truth <= high)
    assert 0.92 <= np.mean(covered) <= 0.99
