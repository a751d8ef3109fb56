"""An evaluation goes into evaluation.json and comes back."""

import json

import numpy as np

from tfctc.evaluation.evaluate import evaluate
from tfctc.evaluation.predictions import Predictions
from tfctc.evaluation.stored import stored_evaluation


def made_up():
    rng = np.random.default_rng(0)
    labels, names = rng.integers(0, 2, 60), np.arange(60).astype(str)
    patients = (np.arange(60) % 5).astype(str)
    test = Predictions(names, patients, labels, rng.random(60), np.array(["A", "B"])[np.arange(60) % 5 % 2])
    return evaluate(test, 0.5, rule="f1", validation_cells=9, channels=("brightfield",), classes=("no", "yes"))


def test_an_evaluation_comes_back_as_it_was():
    found = made_up()
    again = stored_evaluation(json.loads(json.dumps(found.to_dict())))
    assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())
    assert again.verdict == found.verdict and again.by_patient[0].cells == found.by_patient[0].cells
    assert str(again) == str(found)


def test_keys_of_later_versions_are_left_out_and_those_of_early_ones_may_be_missing():
    values = json.loads(json.dumps(made_up().to_dict()))
    assert stored_evaluation(values | {"news": 1}).cells == 60
    for name in ("by_patient", "by_site", "cautions", "rates", "holders", "origin", "kind"):
        values.pop(name)
    values["metrics"] = {
        name: {k: v for k, v in one.items() if k != "reason"} for name, one in values["metrics"].items()
    }
    early = stored_evaluation(values)
    assert early.by_patient == () and early.metrics["f1"].reason == ""
