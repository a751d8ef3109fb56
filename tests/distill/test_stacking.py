"""Stacked and calibrated probabilities, and draws, against known distributions."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from tfctc.distill.stacking import MOST_DRAWN, balancing_weights, combine, whole_draws
from tfctc.distill.teacher_kinds import Opinion


def evidence(n=4000, seed=0):
    """Labels, and two independent measurements with the log-odds 2x of a balanced set: x is normal around ±1."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    return label, rng.normal(2 * label - 1, 1), rng.normal(2 * label - 1, 1)


def opinion(log_odds, unseen=None):
    logits = np.stack([np.zeros_like(log_odds), log_odds], 1) + 3.0  # a shift of all logits changes nothing
    return Opinion(logits, np.full(len(log_odds), True) if unseen is None else unseen)


def test_an_overconfident_teacher_is_calibrated():
    label, x, _ = evidence()
    found = combine([opinion(10 * x + 4)], label)
    np.testing.assert_allclose(found[:, 1], expit(2 * x), atol=0.05)
    np.testing.assert_allclose(found.sum(1), 1)


def test_two_teachers_are_worth_more_than_one():
    label, a, b = evidence()
    both, one = combine([opinion(5 * a), opinion(b)], label)[:, 1], combine([opinion(5 * a)], label)[:, 1]
    np.testing.assert_allclose(both, expit(2 * (a + b)), atol=0.06)
    assert roc_auc_score(label, both) > roc_auc_score(label, one) + 0.03
    assert brier_score_loss(label, both) < brier_score_loss(label, one)


def test_weights_are_those_of_a_logistic_regression_where_all_help():
    """Logits are given to both classes, half of the log-odds each, so the penalty counts the same weight."""
    label, a, b = evidence(300)
    found = combine([opinion(3 * a), opinion(b)], label)[:, 1]
    other = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-8).fit(np.stack([3 * a, b], 1), label)
    np.testing.assert_allclose(found, other.predict_proba(np.stack([3 * a, b], 1))[:, 1], atol=1e-3)


def test_a_teacher_that_is_worse_than_chance_does_not_count():
    label, a, b = evidence()
    np.testing.assert_allclose(combine([opinion(-3 * a)], label), 0.5, atol=1e-6)
    together = combine([opinion(-3 * a), opinion(b)], label)
    np.testing.assert_allclose(together, combine([opinion(b)], label), atol=1e-3)


def test_cells_that_a_teacher_has_seen_neither_calibrate_nor_get_a_soft_label():
    label, x, _ = evidence()
    seen = np.arange(len(label)) % 2 == 0
    known_by_heart = np.where(seen, 20.0 * (2 * label - 1), 2 * x)
    found = combine([opinion(known_by_heart, ~seen)], label)
    assert (found[seen] == 0).all()
    np.testing.assert_allclose(found[~seen, 1], expit(2 * x[~seen]), atol=0.05)


def test_cells_without_a_label_get_one_and_do_not_calibrate():
    label, x, _ = evidence()
    hidden = np.arange(len(label)) >= 300
    found = combine([opinion(2 * x)], np.where(hidden, -1, label))
    np.testing.assert_allclose(found[:, 1], expit(2 * x), atol=0.1)


def test_probabilities_hold_at_the_prior():
    label, x, _ = evidence()
    found = combine([opinion(2 * x)], label, np.array([0.9, 0.1]))[:, 1]
    np.testing.assert_allclose(logit(found), logit(combine([opinion(2 * x)], label)[:, 1]) - np.log(9), rtol=1e-6)


def test_three_classes():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 3, 3000)
    logits = 4.0 * np.eye(3)[label] + rng.normal(0, 2, (3000, 3))
    found = combine([Opinion(logits, np.full(3000, True))], label)
    assert found.shape == (3000, 3) and np.mean(found.argmax(1) == label) > 0.7
    only_two = combine([Opinion(logits, np.full(3000, True))], np.where(label == 2, -1, label))
    assert (only_two[:, 2] == 0).all()


@pytest.mark.parametrize("prevalence", [0.02, 0.1, 0.5])
def test_what_is_drawn_is_spread_as_in_a_balanced_set(prevalence):
    """The mean and the deviation of the measurement of all draws: those of two normal distributions around ±1."""
    rng = np.random.default_rng(2)
    positive = rng.random(200_000) < prevalence
    x = rng.normal(2.0 * positive - 1, 1)
    weights = balancing_weights(expit(2 * x), prevalence)
    # The largest factor is 1 / (2 prevalence), which the limit cuts at 0.02.
    if 1 / (2 * prevalence) <= MOST_DRAWN:
        assert weights.mean() == pytest.approx(1, abs=0.02)
        assert np.average(x, weights=weights) == pytest.approx(0, abs=0.03)
        assert np.average(x**2, weights=weights) == pytest.approx(2, abs=0.05)
    assert weights.max() <= MOST_DRAWN and (weights >= 0.5).all()
    if prevalence == 0.5:
        np.testing.assert_allclose(weights, 1)


def test_weights_do_not_depend_on_the_prior_of_the_probabilities():
    odds = np.linspace(-6, 6, 50)
    np.testing.assert_allclose(
        balancing_weights(expit(odds), 0.1), balancing_weights(expit(odds + logit(0.3)), 0.1, at=0.3)
    )
    assert np.isfinite(balancing_weights(np.array([0.0, 1.0]), 0.0)).all()


def test_whole_draws_are_right_on_average_and_the_same_for_a_seed():
    weights = np.repeat([0.5, 1.0, 7.3], 20_000)
    found = whole_draws(weights, 3)
    assert set(found[:20_000]) == {0, 1} and set(found[20_000:40_000]) == {1} and set(found[40_000:]) == {7, 8}
    np.testing.assert_allclose(found.reshape(3, -1).mean(1), [0.5, 1.0, 7.3], atol=0.02)
    np.testing.assert_array_equal(found, whole_draws(weights, 3))
    assert not np.array_equal(found, whole_draws(weights, 4))
