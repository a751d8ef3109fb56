"""Evaluation: metrics at a fixed threshold, with intervals by patient."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import recall_score, roc_auc_score

from tfctc.evaluation.evaluate import evaluate
from tfctc.evaluation.intervals import Estimate, share_interval
from tfctc.evaluation.metrics import compute_metrics
from tfctc.evaluation.predictions import Predictions


def predictions(seed=1, n=40, patients=7):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    ids = np.arange(n).astype(str)
    patient_ids = np.char.add("p", (np.arange(n) % patients).astype(str))
    return Predictions(ids, patient_ids, labels, rng.random(n) * (1 + labels) / 2)


def evaluated(test, threshold=0.4, **words):
    return evaluate(test, threshold, rule="f1", validation_cells=30, **words)


def test_an_interval_is_that_of_leaving_out_each_patient():
    test = predictions()
    result, called = evaluated(test), test.probability >= 0.4
    names = np.unique(test.patient_id)
    for name, function, values, cells in (
        ("auroc", roc_auc_score, test.probability, 20),
        ("recall", recall_score, called, 20),
    ):
        without = [function(test.label[test.patient_id != p], values[test.patient_id != p]) for p in names]
        positives = np.array([test.label[test.patient_id == p].sum() for p in names])
        negatives = np.array([(1 - test.label)[test.patient_id == p].sum() for p in names])
        weights = positives if name == "recall" else np.hypot(positives / 20, negatives / 20)
        value = function(test.label, values)
        low, high = share_interval(value, np.array(without), weights, 7, cells, of_one_class=name == "recall")
        assert asdict(result.metrics[name]) == pytest.approx({"value": value, "low": low, "high": high, "reason": ""})


def test_one_patient_has_metrics_without_an_interval():
    test = replace(predictions(), patient_id=np.full(40, "p0"))
    result = evaluated(test, classes=("leukocyte", "ctc"))
    assert result.patients == 1 and result.holders == {"leukocyte": 1, "ctc": 1}
    expected = compute_metrics(test.label, test.probability, 0.4)
    for name, estimate in result.metrics.items():
        assert (estimate.value, estimate.low, estimate.high) == (pytest.approx(expected[name]), None, None)
    assert result.metrics["recall"].reason == "1 of 1 patients holds ctc, and an interval needs two"


def test_positive_cells_of_one_patient_give_no_interval_of_the_recall_but_one_of_the_specificity():
    """Sixteen donors without a positive cell and one patient with five: patients have shown nothing about recall."""
    patients = np.repeat([f"d{i}" for i in range(16)] + ["p"], 10)
    labels = np.zeros(170, int)
    labels[-5:] = 1
    test = Predictions(np.arange(170).astype(str), patients, labels, np.where(labels, 0.9, 0.1))
    result = evaluated(test, 0.5, classes=("leukocyte", "ctc"))
    recall, specificity = result.metrics["recall"], result.metrics["specificity"]
    assert recall == Estimate(1.0, None, None, "1 of 17 patients holds ctc, and an interval needs two")
    assert (specificity.value, specificity.high) == (1.0, 1.0)
    assert specificity.low == pytest.approx(0.025 ** (1 / 165))
    assert "recall                1.000   1 of 17 patients holds ctc, and an interval needs two" in str(result)


def test_an_undefined_metric_says_why():
    test = predictions()
    result = evaluated(test.of(test.label == 0), 2.0, classes=("leukocyte", "ctc"))
    assert result.metrics["auroc"] == Estimate(None, None, None, "no cell is ctc")
    assert result.metrics["precision"] == Estimate(None, None, None, "no cell is called ctc")
    assert f"{'auroc':21}   n/a   no cell is ctc" in str(result).splitlines()


def test_sites_and_patients_have_metrics_of_their_own():
    test = replace(predictions(), site=np.where(np.arange(40) % 7 < 3, "A", "B"))
    result = evaluated(test, 0.4)
    assert [group.name for group in result.by_patient] == [f"p{i}" for i in range(7)]
    assert [group.site for group in result.by_patient] == list("AAABBBB")
    first, second = result.by_site
    chosen = test.site == "A"
    assert (first.name, first.patients, first.cells) == ("A", 3, chosen.sum())
    assert first.auroc == pytest.approx(roc_auc_score(test.label[chosen], test.probability[chosen]))
    assert np.sum([first.confusion, second.confusion], axis=0).tolist() == result.confusion
    assert f"site A: {first}" in str(result)
    assert evaluated(predictions()).by_site == ()


def test_the_table_shows_metrics_counts_and_what_the_cells_are():
    words = {"channels": ("brightfield",), "data": "cells", "simulated": True, "classes": ("leukocyte", "ctc")}
    result = evaluate(predictions(), 0.7, rule="0.7", validation_cells=None, **words)
    text = str(result)
    assert text.startswith("student on brightfield: 40 test SIMULATED cells of cells (20 ctc), 7 patients\n")
    assert "threshold 0.7000 (given), held fixed by the intervals" in text
    auroc = result.metrics["auroc"]
    assert f"{'auroc':21} {auroc.value:.3f}   {auroc.low:.3f} to {auroc.high:.3f}" in text
    (tn, fp), (fn, tp) = result.confusion
    rows = [line.split() for line in text.splitlines()]
    assert tn + fp == fn + tp == 20 and ["leukocyte", str(tn), str(fp)] in rows and ["ctc", str(fn), str(tp)] in rows
    assert result.to_dict()["metrics"]["auroc"] == asdict(auroc)
    assert "(f1, from 30 validation cells)" in str(evaluated(predictions()))


def test_metrics_of_calibration_have_intervals_by_patient_but_for_the_error():
    test = predictions()
    found = evaluated(test).calibration
    losses = (test.probability - test.label) ** 2
    without = np.array([losses[test.patient_id != p].mean() for p in np.unique(test.patient_id)])
    brier = found["brier_score"]
    error = np.sqrt(6 / 7 * np.sum((without - losses.mean()) ** 2))
    half = brier.high - brier.value
    assert brier.value == pytest.approx(losses.mean()) and half == pytest.approx(brier.value - brier.low)
    assert stats.t.ppf(0.975, 6) * error <= half * (1 + 1e-9) < stats.t.ppf(0.975, 5.5) * error
    assert found["calibration_error"].low is None and "chance makes it larger" in found["calibration_error"].reason


def test_predictive_values_come_from_recall_and_specificity():
    result = evaluated(predictions())
    recall, specificity = result.metrics["recall"].value, result.metrics["specificity"].value
    ppv = result.predictive_values["1:100"]["ppv"]
    assert ppv[0] == pytest.approx(recall / (recall + 100 * (1 - specificity))) and ppv[1] < ppv[0] < ppv[2]
    assert "\n1:100,000 " in str(result)


def test_a_promise_stands_beside_what_was_reached():
    promise = {"rule": "specificity=0.5", "confidence": 0.9, "promised": 0.5, "reached": 0.625, "threshold": 0.4}
    text = str(evaluated(predictions(), promise=promise))
    assert "promised: specificity=0.5 with a chance of 90% on new patients; 0.625 where it was chosen, " in text
