"""Metrics of single patients against counts by hand."""

import numpy as np
import pytest
from scipy import stats

from tfctc.evaluation.groups import by_patient
from tfctc.evaluation.predictions import Predictions


def test_a_patient_has_counts_exact_intervals_and_an_auroc_only_with_both_classes():
    labels = np.array([0, 0, 1, 1, 1, 0, 0])
    probability = np.array([0.1, 0.6, 0.7, 0.4, 0.8, 0.2, 0.3])
    cells = Predictions(np.arange(7).astype(str), np.array(list("bbbbbaa")), labels, probability)
    donor, patient = by_patient(cells, 0.5)
    assert (donor.name, donor.confusion, donor.recall, donor.auroc) == ("a", [[2, 0], [0, 0]], None, None)
    assert donor.specificity == pytest.approx((1.0, 0.025**0.5, 1.0))
    assert patient.confusion == [[1, 1], [1, 2]] and patient.cells == 5
    low, high = stats.beta.ppf(0.025, 2, 2), stats.beta.ppf(0.975, 3, 1)
    assert patient.recall == pytest.approx((2 / 3, low, high))
    assert patient.auroc == pytest.approx(5 / 6)
    assert str(patient) == "5 cells, recall 0.667 (2 of 3), specificity 0.500 (1 of 2), AUROC 0.833"
