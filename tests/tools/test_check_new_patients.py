"""Figures of patients whom no split has, against scikit-learn's."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from tfctc.config import DistillConfig, RunConfig
from tfctc.evaluation.predictions import Predictions


@pytest.mark.parametrize("mode", ["brightfield", "distilled"])
def test_students_and_teachers_are_judged_over_all_and_within_patients(tool, monkeypatch, mode):
    rng = np.random.default_rng(0)
    patient, label = np.repeat(["a", "b"], 50), rng.integers(2, size=100)
    answers = {name: 1 / (1 + np.exp(-rng.normal(label + (patient == "b"), 1.0))) for name in ("student", "teacher")}
    models = {name: SimpleNamespace(name=name, input={"brightfield": None}) for name in answers}
    check = tool("check_new_patients")
    monkeypatch.setattr(check, "labelled_records", lambda *_: None)
    monkeypatch.setattr(
        check, "predict", lambda model, _: Predictions(np.arange(100).astype(str), patient, label, answers[model.name])
    )
    run = SimpleNamespace(
        config=RunConfig("data", mode=mode, distill=DistillConfig(losses={"logits": {}})),
        student=lambda: models["student"],
        teacher=lambda: models["teacher"],
        operating_point={"threshold": 0.6},
    )
    found, own = check.judge(run, None)
    assert own.probability is answers["student"]
    asked = {"": "student"} | ({"teacher_": "teacher"} if mode == "distilled" else {})
    assert found["f1"] == pytest.approx(f1_score(label, answers["student"] >= 0.6))
    assert len(found) == 2 * len(asked) + 1
    for prefix, name in asked.items():
        assert found[f"{prefix}auroc"] == pytest.approx(roc_auc_score(label, answers[name]))
        pairs = [
            float(answers[name][i] > answers[name][j])
            for i in np.flatnonzero(label == 1)
            for j in np.flatnonzero(label == 0)
            if patient[i] == patient[j]
        ]
        assert found[f"{prefix}within_patients"] == pytest.approx(np.mean(pairs))


def test_a_difference_that_one_patient_makes_is_not_sure(tool):
    """An interval excludes zero where every patient gains, and not where one alone does."""
    rng = np.random.default_rng(0)
    patient, label = np.repeat(np.arange(10).astype(str), 40), rng.integers(2, size=400)
    chance, sure = rng.random(400), label + rng.random(400)

    def answers(probability):
        return Predictions(np.arange(400).astype(str), patient, label, probability)

    by_patient = tool("check_new_patients").auroc_by_patient
    found = by_patient([(answers(sure), answers(chance))] * 2)
    assert 0 < found["low"] < 1 - roc_auc_score(label, chance) < found["high"]
    one = np.where(patient == "3", sure, chance)
    found = by_patient([(answers(one), answers(chance))])
    assert found["low"] <= 0 < roc_auc_score(label, one) - roc_auc_score(label, chance) < found["high"]
