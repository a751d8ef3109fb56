"""The check of calibration, on predictions whose calibration is known."""

import check_calibration
import numpy as np
import pytest
from scipy.special import expit

from tfctc.evaluation.predictions import Predictions


def made_up(patients, between, seed=0, cells=100):
    """Cells whose log-odds are 1 too high, and differ from patient to patient."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(patients), cells)
    true = rng.normal(0, 2, len(names))
    label = (rng.random(len(names)) < expit(true)).astype(int)
    z = true + 1.0 + rng.normal(0, between, patients)[names]
    return Predictions(np.arange(len(names)).astype(str), names.astype(str), label, z)


def test_the_metrics_before_and_after_are_those_of_the_two_probabilities():
    found = made_up(20, 0.0)
    entry = check_calibration.described(found, expit(found.probability), expit(found.probability - 1))
    assert (entry["cells"], entry["patients"], entry["positives"]) == (2000, 20, found.label.sum())
    assert entry["before"]["calibration_intercept"] == pytest.approx(-1, abs=0.15)
    assert entry["before"]["calibration_error"] > 0.1 > 0.03 > entry["after"]["calibration_error"]
    assert 0.005 < entry["error_of_exact_probabilities"] < 0.03
    assert entry["mean_probability"]["after"] == pytest.approx(found.label.mean(), abs=0.02)


def test_more_patients_give_a_smaller_error_where_patients_differ():
    validation, test = made_up(40, 1.0, 1), made_up(40, 0.0, 2)
    rows = check_calibration.by_patients(validation, test, 0.5)
    assert [row["patients"] for row in rows] == [2, 4, 8, 16, 32]
    assert rows[0]["median"] > rows[-1]["median"] and all(row["median"] <= row["quantile_90"] for row in rows)


def test_what_fails_is_named():
    def found(error, difference):
        sets = {"test": {"after": {"calibration_error": error}}}
        return {"sets": sets, "tflite": {"largest_difference": difference}}

    assert check_calibration.problem(found(0.029, 1e-5)) == ""
    assert "0.0300, less than 0.03" in check_calibration.problem(found(0.03, 1e-5))
    assert "TFLite file differs" in check_calibration.problem(found(0.01, 1e-3))
