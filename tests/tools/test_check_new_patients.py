"""Metrics of patients who are in no split, against scikit-learn's."""

from types import SimpleNamespace

import check_new_patients
import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from tfctc.config import DistillConfig, RunConfig
from tfctc.evaluation.predictions import Predictions


@pytest.mark.parametrize("mode", ["brightfield", "self-training", "distilled"])
def test_students_and_teachers_with_dapi_are_evaluated_over_all_and_within_patients(monkeypatch, mode):
    rng = np.random.default_rng(0)
    patient, label = np.repeat(["a", "b"], 50), rng.integers(2, size=100)
    probability = {
        name: 1 / (1 + np.exp(-rng.normal(label + (patient == "b"), 1.0))) for name in ("student", "teacher")
    }
    models = {name: SimpleNamespace(name=name, input={"brightfield": None}) for name in probability}

    def predict(model, _):
        return Predictions(np.arange(100).astype(str), patient, label, probability[model.name])

    monkeypatch.setattr(check_new_patients, "labelled_batches", lambda *_: None)
    monkeypatch.setattr(check_new_patients, "predict", predict)
    run = SimpleNamespace(
        config=RunConfig("data", mode=mode, distill=DistillConfig(losses={"logits": {}})),
        calibrated_student=lambda: models["student"],
        teacher=lambda: models["teacher"],
        operating_point={"threshold": 0.6},
    )
    found, own = check_new_patients.evaluate(run, None)
    assert own.probability is probability["student"]
    evaluated = {"": "student"} | ({"teacher_": "teacher"} if mode == "distilled" else {})
    assert found["f1"] == pytest.approx(f1_score(label, probability["student"] >= 0.6))
    assert len(found) == 2 * len(evaluated) + 1
    for prefix, name in evaluated.items():
        assert found[f"{prefix}auroc"] == pytest.approx(roc_auc_score(label, probability[name]))
        pairs = [
            float(probability[name][i] > probability[name][j])
            for i in np.flatnonzero(label == 1)
            for j in np.flatnonzero(label == 0)
            if patient[i] == patient[j]
        ]
        assert found[f"{prefix}within_patients"] == pytest.approx(np.mean(pairs))


def test_the_interval_excludes_zero_where_every_patient_gains_and_not_where_one_does():
    rng = np.random.default_rng(0)
    patient, label = np.repeat(np.arange(10).astype(str), 20), rng.integers(2, size=200)
    chance, sure = rng.random(200), label + rng.random(200)

    def predictions(probability):
        return Predictions(np.arange(200).astype(str), patient, label, probability)

    def interval(pairs):
        return check_new_patients.auroc_by_patient(pairs)

    found = interval([(predictions(sure), predictions(chance))] * 2)
    assert 0 < found["low"] < 1 - roc_auc_score(label, chance) < found["high"]
    one = np.where(patient == "3", sure, chance)
    found = interval([(predictions(one), predictions(chance))])
    assert found["low"] <= 0 < roc_auc_score(label, one) - roc_auc_score(label, chance) < found["high"]
