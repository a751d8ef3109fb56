"""Metrics against counts by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from tfctc.errors import ConfigError
from tfctc.evaluation.metrics import METRICS, basis_of, choose_threshold, compute_metrics, confusion, f1

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
PROBABILITIES = np.array([0.1, 0.2, 0.6, 0.3, 0.4, 0.7, 0.8, 0.9])


def test_metrics_equal_counts_by_hand():
    found = compute_metrics(LABELS, PROBABILITIES, 0.5)  # TP 3, FP 1, FN 1, TN 3
    pairs = [(p > n) + 0.5 * (p == n) for p in PROBABILITIES[4:] for n in PROBABILITIES[:4]]
    assert found["precision"] == found["recall"] == found["f1"] == found["specificity"] == 0.75
    assert found["auroc"] == pytest.approx(np.mean(pairs))
    # Precision at each positive, from the highest probability down: 1/1, 2/2, 3/3, 4/5.
    assert found["average_precision"] == pytest.approx((1 + 1 + 1 + 0.8) / 4)
    assert confusion(LABELS, PROBABILITIES, 0.5) == [[3, 1], [1, 3]]


def test_metrics_equal_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    labels, probabilities, weights = rng.integers(0, 2, 100), rng.random(100), rng.integers(0, 4, 100)
    found, called = compute_metrics(labels, probabilities, 0.6, weights), probabilities >= 0.6
    for name, function in [("f1", sk.f1_score), ("precision", sk.precision_score), ("recall", sk.recall_score)]:
        assert found[name] == pytest.approx(function(labels, called, sample_weight=weights))
    assert f1(labels, probabilities, 0.6, weights) == found["f1"]
    matrix = sk.confusion_matrix(labels, called)
    assert confusion(labels, probabilities, 0.6) == matrix.tolist()
    assert np.isnan(compute_metrics(labels, probabilities, 2.0)["precision"])


def test_weights_are_repetitions():
    weights = np.array([2, 0, 1, 3, 1, 1, 0, 2])
    repeated = np.repeat(np.arange(8), weights)
    expected = compute_metrics(LABELS[repeated], PROBABILITIES[repeated], 0.5)
    assert compute_metrics(LABELS, PROBABILITIES, 0.5, weights.astype(float)) == pytest.approx(expected)


@pytest.mark.parametrize(("kept", "undefined"), [(0, {"f1", "recall"}), (1, {"specificity"})])
def test_without_a_class_metrics_are_undefined_not_zero(kept, undefined):
    chosen = kept == LABELS
    found = compute_metrics(LABELS[chosen], PROBABILITIES[chosen], 0.5)
    assert {name for name, value in found.items() if np.isnan(value)} == undefined | {"auroc", "average_precision"}
    assert f1(LABELS[chosen], PROBABILITIES[chosen], 0.5) == pytest.approx(found["f1"], nan_ok=True)


def test_the_basis_of_a_metric_counts_its_cells_by_patient():
    groups = np.array(list("aabbabbb"))
    found = basis_of(LABELS, PROBABILITIES, 0.5, groups)  # called: cells 2, 5, 6, 7, all of b
    assert found["recall"].weights.tolist() == [1, 3] and found["recall"].cells == 4 and found["recall"].holders == 2
    assert found["precision"].weights.tolist() == [0, 4] and found["precision"].holders == 1
    assert found["f1"].weights.tolist() == [1, 7] and found["specificity"].weights.tolist() == [2, 2]
    np.testing.assert_allclose(found["auroc"].weights, [np.hypot(1 / 4, 2 / 4), np.hypot(3 / 4, 2 / 4)])


def test_no_threshold_is_better_than_the_chosen_one():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100)
    probabilities = np.clip(0.3 * labels + 0.7 * rng.random(100), 0, 1)
    every = [compute_metrics(labels, probabilities, t) for t in probabilities]
    chosen = compute_metrics(labels, probabilities, choose_threshold(labels, probabilities))
    assert chosen["f1"] == max(f["f1"] for f in every)
    youden = compute_metrics(labels, probabilities, choose_threshold(labels, probabilities, "youden"))
    assert youden["recall"] + youden["specificity"] == max(f["recall"] + f["specificity"] for f in every)


def test_the_threshold_lies_between_cells_not_on_one():
    assert choose_threshold(LABELS, PROBABILITIES, "f1") not in PROBABILITIES
    assert choose_threshold(LABELS, PROBABILITIES, "0.25") == 0.25


def test_a_threshold_separates_neighbouring_float32_numbers():
    rng = np.random.default_rng(0)
    for rule in ("f1", "youden"):
        for lower in rng.uniform(0.01, 0.99, 50).astype(np.float32):
            pair = np.array([lower, np.nextafter(lower, np.float32(1))])
            threshold = choose_threshold(np.array([0, 1]), pair, rule)
            assert compute_metrics(np.array([0, 1]), pair, threshold)["f1"] == 1.0
            assert [float(p) >= threshold for p in pair] == [False, True]


@pytest.mark.parametrize("rule", ["accuracy", "0", "1.5", "nan"])
def test_other_rules_are_refused(rule):
    with pytest.raises(ConfigError):
        choose_threshold(LABELS, PROBABILITIES, rule)


def test_metrics_asked_for_by_name_are_those_among_all_and_no_others():
    rng = np.random.default_rng(3)
    labels, probabilities = rng.integers(0, 2, 50), rng.uniform(size=50)
    everything = compute_metrics(labels, probabilities, 0.5)
    for name in METRICS:
        assert compute_metrics(labels, probabilities, 0.5, names=(name,)) == {name: everything[name]}
