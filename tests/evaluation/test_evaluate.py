"""Evaluation: the threshold comes from validation, the metrics and their intervals from the test split."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from tfctc.evaluation import evaluate as module
from tfctc.evaluation.evaluate import Estimate, evaluate
from tfctc.evaluation.metrics import choose_threshold, compute_metrics
from tfctc.evaluation.predictions import Predictions

RESAMPLES = 100


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(module, "RESAMPLES", RESAMPLES)


def predictions(seed, n=40):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    ids = np.arange(n).astype(str)
    return Predictions(ids, np.char.add("p", (np.arange(n) % 7).astype(str)), labels, rng.random(n) * (1 + labels) / 2)


@pytest.mark.parametrize(("rule", "validation_cells"), [("f1", 30), ("youden", 30), ("0.7", None)])
def test_the_threshold_is_chosen_on_validation_unless_it_is_given(rule, validation_cells):
    validation, test = predictions(0, 30), predictions(1)
    result = evaluate(validation, test, rule=rule, seed=0)
    expected = 0.7 if rule == "0.7" else choose_threshold(validation.label, validation.probability, rule)
    assert result.threshold == expected and result.validation_cells == validation_cells
    assert (result.cells, result.patients, result.positives) == (40, 7, 20)


def test_an_interval_resamples_whole_patients_with_the_seed():
    """The oracle repeats cells as often as their patient is drawn, and scikit-learn computes the metrics."""
    validation, test = predictions(0, 30), predictions(1)
    result = evaluate(validation, test, rule="f1", seed=5)
    assert result.threshold != pytest.approx(0.5, abs=0.05) and result.resamples == RESAMPLES
    called, patients = test.probability >= result.threshold, np.unique(test.patient_id)
    rng, drawn = np.random.default_rng(5), {"auroc": [], "f1": []}
    for _ in range(RESAMPLES):
        chosen = patients[rng.integers(len(patients), size=len(patients))]
        cells = np.concatenate([np.flatnonzero(test.patient_id == patient) for patient in chosen])
        drawn["auroc"].append(roc_auc_score(test.label[cells], test.probability[cells]))
        drawn["f1"].append(f1_score(test.label[cells], called[cells]))
    values = {"auroc": roc_auc_score(test.label, test.probability), "f1": f1_score(test.label, called)}
    for name, value in values.items():
        low, high = np.percentile(drawn[name], [2.5, 97.5])
        assert asdict(result.metrics[name]) == pytest.approx({"value": value, "low": low, "high": high})


def test_one_patient_has_metrics_without_an_interval():
    test = replace(predictions(1), patient_id=np.full(40, "p0"))
    result = evaluate(predictions(0), test, rule="f1", seed=0)
    assert result.patients == 1 and "No interval: the test split holds one patient" in str(result)
    for name, value in compute_metrics(test.label, test.probability, result.threshold).items():
        assert result.metrics[name] == Estimate(value, None, None)


def test_an_undefined_metric_has_no_value():
    test = predictions(1)
    negatives = Predictions(*(column[test.label == 0] for column in vars(test).values()))
    result = evaluate(predictions(0), negatives, rule="f1", seed=0)
    assert result.metrics["auroc"] == Estimate(None, None, None)
    assert result.metrics["specificity"].low is not None
    assert f"{'auroc':18}   n/a     n/a to   n/a" in str(result).splitlines()


def test_the_table_shows_metrics_counts_and_what_the_cells_are():
    words = {"channels": ("brightfield",), "data": "cells", "simulated": True, "classes": ("leukocyte", "ctc")}
    result = evaluate(predictions(0), predictions(1), rule="0.7", seed=0, **words)
    text = str(result)
    assert text.startswith("student on brightfield: 40 test SIMULATED cells of cells (20 ctc), 7 groups by patient\n")
    assert "threshold 0.7000 (given)" in text and "Few groups: an interval from 7 of them" in text
    f1 = result.metrics["f1"]
    assert f"{'f1':18} {f1.value:.3f}   {f1.low:.3f} to {f1.high:.3f}" in text
    (tn, fp), (fn, tp) = result.confusion
    assert tn + fp == fn + tp == 20 and [line.split() for line in text.splitlines()[-3:-1]] == [
        ["leukocyte", str(tn), str(fp)],
        ["ctc", str(fn), str(tp)],
    ]
    assert result.to_dict()["metrics"]["f1"] == asdict(f1)
