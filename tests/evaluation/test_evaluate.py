"""What is chosen on validation, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from tfctc.evaluation import evaluate as module
from tfctc.evaluation.evaluate import evaluate
from tfctc.evaluation.metrics import choose_threshold, figures
from tfctc.evaluation.predictions import Predictions


def predictions(seed, n=40):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    ids = np.arange(n).astype(str)
    return Predictions(ids, np.char.add("p", (np.arange(n) % 7).astype(str)), labels, rng.random(n) * (1 + labels) / 2)


@pytest.mark.parametrize(("rule", "validation_cells"), [("f1", 30), ("youden", 30), ("0.7", None)])
def test_the_threshold_is_of_validation_unless_it_is_given(monkeypatch, rule, validation_cells):
    monkeypatch.setattr(module, "RESAMPLES", 10)
    validation, test = predictions(0, 30), predictions(1)
    result = evaluate(validation, test, rule=rule, seed=0)
    expected = 0.7 if rule == "0.7" else choose_threshold(validation.label, validation.probability, rule)
    assert result.threshold == expected and result.validation_cells == validation_cells
    assert (result.cells, result.patients, result.positives) == (40, 7, 20)


def test_an_interval_is_of_whole_patients_drawn_with_the_seed():
    """Cells are repeated here as often as their patient is drawn, and scikit-learn judges them."""
    validation, test = predictions(0, 30), predictions(1)
    result = evaluate(validation, test, rule="f1", seed=5)
    assert result.threshold != pytest.approx(0.5, abs=0.05)
    called, patients = test.probability >= result.threshold, np.unique(test.patient_id)
    rng, drawn = np.random.default_rng(5), {"auroc": [], "f1": []}
    for _ in range(result.resamples):
        chosen = patients[rng.integers(len(patients), size=len(patients))]
        cells = np.concatenate([np.flatnonzero(test.patient_id == patient) for patient in chosen])
        drawn["auroc"].append(roc_auc_score(test.label[cells], test.probability[cells]))
        drawn["f1"].append(f1_score(test.label[cells], called[cells]))
    values = {"auroc": roc_auc_score(test.label, test.probability), "f1": f1_score(test.label, called)}
    for name, value in values.items():
        low, high = np.percentile(drawn[name], [2.5, 97.5])
        assert result.figures[name] == pytest.approx({"value": value, "low": low, "high": high})


def test_one_patient_has_figures_without_an_interval():
    test = replace(predictions(1), patient_id=np.full(40, "p0"))
    result = evaluate(predictions(0), test, rule="f1", seed=0)
    assert result.patients == 1
    for name, value in figures(test.label, test.probability, result.threshold).items():
        assert result.figures[name] == {"value": value, "low": None, "high": None}
