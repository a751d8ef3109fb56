"""Recall of each original label, against counts in NumPy and the interval of the whole evaluation."""

import numpy as np
import pytest

from tfctc.cells import DatasetFacts
from tfctc.evaluation.intervals import binomial_interval
from tfctc.evaluation.original_labels import by_label
from tfctc.evaluation.predictions import Predictions

FACTS = DatasetFacts("few", other=True)
KINDS = {"WBC": "leukocyte", "CTC": "ctc", "CTC-mesenchymal": "ctc", "debris": "other", "doublet": "other"}


def predictions(n=400, patients=10, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(list(KINDS), n)
    truth = np.array([KINDS[name] for name in kind])
    probability = rng.beta(2, 2, n).astype(np.float32)
    patient = rng.integers(0, patients, n).astype(str)
    return Predictions(
        np.arange(n).astype(str), patient, (truth == "ctc").astype(int), probability,
        is_other=rng.random(n) < 0.5, truth=truth, original_label=kind,
    )  # fmt: skip


@pytest.mark.parametrize("threshold", [0.5, np.linspace(0.2, 0.8, 400)])
def test_calls_and_recall_are_counted_by_label(threshold):
    found = predictions()
    metrics = by_label(found, threshold, FACTS)
    assert [one.name for one in metrics] == ["WBC", "CTC", "CTC-mesenchymal", "debris", "doublet"]
    called = np.where(found.probability >= threshold, "ctc", np.where(found.is_other, "other", "leukocyte"))
    for one in metrics:
        own = found.original_label == one.name
        assert (one.cells, one.patients, one.truth) == (own.sum(), 10, KINDS[one.name])
        assert one.calls == {name: (called[own] == name).sum() for name in FACTS.labels}
        assert one.recall.value == pytest.approx((called[own] == one.truth).mean())
        low, high = binomial_interval(round(one.recall.value * own.sum()), own.sum())
        assert one.recall.low <= low < one.recall.value < high <= one.recall.high
    assert str(metrics[3]).startswith("debris (other): recall 0.")


def test_a_label_of_one_patient_has_no_interval():
    (one, *_) = by_label(predictions(patients=1), 0.5, FACTS)
    assert one.recall.low is None and one.recall.reason == "all are of one patient, and an interval needs two patients"


def test_two_classes_of_one_label_each_need_no_table():
    found = predictions()
    chosen = np.isin(found.original_label, ["WBC", "CTC"])
    assert by_label(found.of(chosen), 0.5, DatasetFacts("two")) == ()
    assert by_label(found.of(np.arange(3)), 0.5, FACTS) != ()
    without = Predictions(found.cell_id, found.patient_id, found.label, found.probability)
    assert by_label(without, 0.5, FACTS) == ()


def test_a_model_without_the_class_is_right_where_it_does_not_call_it_positive():
    found = predictions()
    debris = next(one for one in by_label(found, 0.5, DatasetFacts("two")) if one.name == "debris")
    own = found.original_label == "debris"
    assert debris.recall.value == pytest.approx((found.probability[own] < 0.5).mean())
