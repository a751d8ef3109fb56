"""Counts of patients, and numbers adjusted for missed cells and false calls, against closed forms and simulation."""

import csv
from collections import Counter

import numpy as np
import pytest

from tfctc.errors import ArtefactError, OutputError
from tfctc.evaluation.counts import (
    PatientCount,
    Rates,
    adjusted_count,
    background,
    check_counts,
    counts_of,
    counts_path,
    write_counts,
)
from tfctc.evaluation.predictions import Predictions
from tfctc.evaluation.rates import measure_rates, new_patient_error

RATES = Rates(0.5, 0.8, 0.1, 0.05, 0.02, 2.0)


def test_the_adjusted_number_is_that_of_rogan_and_gladen():
    number, low, high = adjusted_count(PatientCount("P", cells=110, refused=10, calls=24), RATES)
    assert number == pytest.approx((24 - 100 * 0.1) / 0.7)

    def unusual(true):
        """Distance of 24 calls from those expected of so many positive cells, in standard deviations."""
        chance = true * 0.8 * 0.2 + (100 - true) * 0.1 * 0.9
        return abs(24 - true * 0.8 - (100 - true) * 0.1) / np.hypot(np.sqrt(chance), true * 0.05 + (100 - true) * 0.02)

    assert unusual(low) <= 2 < unusual(low - 1) and unusual(high) <= 2 < unusual(high + 1)


def test_the_adjusted_number_stays_between_0_and_the_cells():
    assert adjusted_count(PatientCount("P", cells=100, calls=2), RATES)[:2] == (0, 0)
    assert adjusted_count(PatientCount("P", cells=100, calls=99), RATES)[0] == 100
    assert adjusted_count(PatientCount("P", cells=3, refused=3), RATES) is None
    assert adjusted_count(PatientCount("P", cells=9, calls=2), Rates(0.5, 0.3, 0.3, 0, 0, 2)) is None


def test_the_interval_holds_the_true_number_of_new_patients():
    """Rates of twelve test patients, applied to new ones: patients differ in both rates."""
    rng = np.random.default_rng(0)

    def cells(patients, positives, negatives):
        shift = rng.normal(0, 0.5, patients)
        labels = np.repeat([1, 0], [positives, negatives])
        odds = 1.2 * (2 * labels - 1) + shift[:, None] + rng.normal(size=(patients, len(labels)))
        return labels, 1 / (1 + np.exp(-odds))

    covered = []
    for _ in range(150):
        labels, probability = cells(12, 20, 40)
        ids = np.repeat(np.arange(12), 60).astype(str)
        rates = measure_rates(Predictions(ids, ids, np.tile(labels, 12), probability.ravel()), 0.5)
        for one in cells(4, 15, 85)[1]:
            found = adjusted_count(PatientCount("new", cells=100, calls=int((one >= 0.5).sum())), rates)
            covered.append(found[1] <= 15 <= found[2])
    assert 0.92 <= np.mean(covered) <= 0.995


def test_a_new_patient_is_as_uncertain_as_patients_differ():
    even = new_patient_error(np.full(5, 8), np.full(5, 10))
    assert even == pytest.approx(np.sqrt(0.8 * 0.2 / 50))
    shares = np.array([0.9, 0.5, 0.7, 0.3])
    cells = np.full(4, 1000)
    variance = shares.var(ddof=1) - np.mean(shares * (1 - shares)) / 999
    expected = np.sqrt(variance + variance / 4 + 0.6 * 0.4 / 4000)
    assert new_patient_error(shares * cells, cells) == pytest.approx(expected, rel=1e-3)
    assert new_patient_error(np.zeros(3), np.full(3, 20)) > 0


def test_rates_need_two_patients_with_each_class():
    labels, ids = np.array([1, 1, 0, 0]), np.array(list("aabb"))
    assert measure_rates(Predictions(ids, ids, labels, np.ones(4)), 0.5) is None
    ids = np.array(list("abab"))
    rates = measure_rates(Predictions(ids, ids, labels, np.array([0.9, 0.1, 0.2, 0.7])), 0.5)
    assert (rates.sensitivity, rates.false_positives, rates.threshold) == (0.5, 0.5, 0.5)
    assert Rates.from_dict(rates.to_dict()) == rates


@pytest.mark.parametrize(
    "change", [{"sensitivity": 1.2}, {"threshold": "x"}, {"quantile": float("inf")}, {"sensitivity": None}]
)
def test_damaged_rates_are_refused(change):
    with pytest.raises(ArtefactError, match="rates cannot be used"):
        Rates.from_dict(RATES.to_dict() | change)


def test_counts_come_from_the_rows_of_each_patient(tmp_path):
    rows = {
        ("A", "P1"): Counter({"cells": 5, "refused": 1, "calls": 2, "truth ctc": 1, "truth ": 4}),
        ("A", "D1"): Counter({"cells": 4, "calls": 1, "truth control": 4}),
        ("A", "D2"): Counter({"cells": 4, "unlike": 2, "truth control": 4}),
        ("", "P2"): Counter({"cells": 3, "truth ": 3}),
    }
    counts = counts_of(rows, "ctc")
    assert [(one.site, one.patient_id) for one in counts] == [("", "P2"), ("A", "D1"), ("A", "D2"), ("A", "P1")]
    assert counts[3] == PatientCount("P1", "A", 5, 1, 0, 2, 1)
    assert counts[1].is_control and counts[1].positives is None and counts[0].positives is None
    assert background(counts) == (2, 0.5, 1) and background(counts[:1]) is None
    write_counts(tmp_path / "counts.csv", counts, "ctc", RATES)
    with (tmp_path / "counts.csv").open(newline="") as file:
        written = {row["patient_id"]: row for row in csv.DictReader(file)}
    assert written["D2"]["control"] == "yes" and written["D2"]["unlike"] == "2"
    assert written["P1"]["true_ctc"] == "1" and written["P1"]["called_ctc"] == "2"
    assert written["P1"]["adjusted_ctc"] == f"{adjusted_count(counts[3], RATES)[0]:.1f}"


def test_counts_lie_beside_their_table_and_overwrite_nothing_else(tmp_path):
    assert counts_path(tmp_path / "predictions.csv") == tmp_path / "counts.csv"
    assert counts_path(tmp_path / "may.csv") == tmp_path / "may_counts.csv"
    path = tmp_path / "counts.csv"
    check_counts(path, "ctc")
    write_counts(path, [], "ctc", None)
    check_counts(path, "ctc")
    path.write_text("name,number\n")
    with pytest.raises(OutputError, match="holds no counts of patients; choose another --output"):
        check_counts(path, "ctc")
