"""Operating points: what a promise is worth on new patients, against simulated ones and closed forms."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from tfctc.errors import ConfigError
from tfctc.evaluation.metrics import choose_threshold
from tfctc.evaluation.operating_points import Rule, choose_operating_point, predictive_values
from tfctc.evaluation.predictions import Predictions

SPREAD = 0.5


def cells(rng, patients=8, negative=200, positive=50):
    """Log-odds of normal cells, all of a patient shifted by a normal amount; the classes are 4 apart."""
    labels = np.tile(np.repeat([0, 1], [negative, positive]), patients)
    ids = np.repeat(np.arange(patients), negative + positive)
    odds = 4 * labels - 2 + rng.normal(0, SPREAD, patients)[ids] + rng.normal(size=len(ids))
    return Predictions(ids.astype(str), ids.astype(str), labels, expit(odds))


def share_above(threshold, center):
    """Share of the cells of all patients, those never seen included, above a threshold of the probability."""
    odds = np.log(threshold) - np.log1p(-threshold)
    return norm.sf((odds - center) / np.hypot(1, SPREAD))


@pytest.mark.parametrize(
    ("rule", "patients"),
    [("specificity=0.99", 8), ("specificity=0.95", 4), ("sensitivity=0.9", 8), ("false-calls=2/patient", 8)],
)
def test_a_promise_is_kept_on_new_patients_as_often_as_stated(rule, patients):
    rng, kept = np.random.default_rng(0), []
    for _ in range(60):
        point = choose_operating_point(cells(rng, patients), rule)
        false, found = share_above(point.threshold, -2), share_above(point.threshold, 2)
        name, value = rule.split("=")
        value = float(value.partition("/")[0])
        kept.append(
            {"specificity": 1 - false >= value, "sensitivity": found >= value, "false-calls": 200 * false <= value}[
                name
            ]
        )
        assert (point.confidence, point.promised, point.rule) == (0.9, value, rule)
    assert np.mean(kept) >= 0.85, "0.9 was stated, and 60 cohorts tell it to 0.04"


def test_what_was_reached_is_counted_on_the_cells_it_was_chosen_on():
    found = cells(np.random.default_rng(1))
    called = found.probability >= (point := choose_operating_point(found, "specificity=0.95")).threshold
    assert point.reached == np.mean(~called[found.label == 0]) >= 0.95
    called = found.probability >= (point := choose_operating_point(found, "sensitivity=0.9")).threshold
    assert point.reached == np.mean(called[found.label == 1]) >= 0.9
    called = found.probability >= (point := choose_operating_point(found, "false-calls=3/patient")).threshold
    assert point.reached == called[found.label == 0].sum() / 8 <= 3


def test_more_confidence_is_a_stricter_threshold_and_the_same_cells_give_the_same():
    found = cells(np.random.default_rng(2))
    points = [choose_operating_point(found, "specificity=0.95", c).threshold for c in (0.6, 0.8, 0.95, 0.95)]
    assert points[0] < points[1] < points[2] == points[3]
    points = [choose_operating_point(found, "sensitivity=0.9", c).threshold for c in (0.6, 0.8, 0.95)]
    assert points[0] > points[1] > points[2]


def test_a_promise_that_the_cells_cannot_make_says_what_they_show():
    few = cells(np.random.default_rng(0), patients=4, negative=20)
    with pytest.raises(
        ConfigError, match=r"specificity=0.99 cannot be promised with a chance of 0.9: 80 negative cells of 4"
    ):
        choose_operating_point(few, "specificity=0.99")
    one = few.of((few.label == 0) | (few.patient_id == "0"))
    with pytest.raises(ConfigError, match=r"1 patient\(s\) with positive cells to choose it on; fit with a larger"):
        choose_operating_point(one, "sensitivity=0.5")


def test_equal_probabilities_stay_together():
    """As int8 files give them: only a few different numbers."""
    found = cells(np.random.default_rng(3))
    coarse = Predictions(found.cell_id, found.patient_id, found.label, np.round(found.probability * 20) / 20)
    point = choose_operating_point(coarse, "specificity=0.9")
    assert point.threshold not in coarse.probability
    assert np.mean(coarse.probability[coarse.label == 0] < point.threshold) == point.reached >= 0.9


def test_rules_without_a_promise_are_those_of_the_threshold():
    found = cells(np.random.default_rng(4))
    for rule in ("f1", "youden", "0.25"):
        point = choose_operating_point(found, rule)
        assert point.threshold == choose_threshold(found.label, found.probability, rule) and point.confidence is None


@pytest.mark.parametrize(
    "text", ["sp0.99", "specificity:0.99", "specificity=1", "specificity=x", "false-calls=1", "false-calls=0/patient",
             "sensitivity=0.9/patient", "F1", "accuracy=0.9", "specificity=nan"]
)  # fmt: skip
def test_other_rules_are_refused_with_examples(text):
    with pytest.raises(ConfigError):
        Rule.parse(text)


def test_predictive_values_are_bayes_rule():
    ppv, npv = predictive_values(0.8, 0.99, 0.001)
    assert ppv == pytest.approx(0.0008 / (0.0008 + 0.00999)) and npv == pytest.approx(0.98901 / (0.98901 + 0.0002))
    assert np.isnan(predictive_values(0, 1, 0.1)[0])
