"""Contrasts of several comparisons: p values against scipy's t test, and Holm's correction by hand."""

import json
from types import SimpleNamespace

import check_contrasts
import numpy as np
import pytest
from scipy import stats

from tfctc.comparison.statistics import interval


def test_the_p_value_is_that_of_the_t_test():
    differences = np.random.default_rng(0).normal(0.5, 1, 7)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert check_contrasts.p_value(**interval(differences)) == pytest.approx(expected)


def test_holm_by_hand():
    found = check_contrasts.holm(np.array([0.04, 0.01, 0.03, 0.005]))
    np.testing.assert_allclose(found, [0.06, 0.03, 0.06, 0.02])
    np.testing.assert_allclose(check_contrasts.holm(np.array([0.6, 0.7])), [1, 1])


def test_contrasts_of_the_distilled_arm_are_gathered(tmp_path):
    def entry(arm, mean):
        one = {"mean": mean, "low": mean - 0.01, "high": mean + 0.01, "seeds": 5}
        lone = {"mean": None, "low": None, "high": None, "seeds": 1}
        metric = {"against": {"brightfield": one, "self-training": lone}}
        return {"arm": arm, "budget": 50, "auroc": metric, "f1": {"against": {}}}

    for name, mean in (("one", 0.05), ("two", 0.001)):
        (tmp_path / name).mkdir()
        arms = [entry("distilled", mean), entry("self-training", 0.2)]
        (tmp_path / name / "summary.json").write_text(json.dumps({"arms": arms}))
    found = check_contrasts.check(SimpleNamespace(folder=tmp_path))
    assert found["shown"]["auroc"] == {"contrasts": 2, "alone": 1, "shown": 1}
    assert [one["comparison"] for one in found["contrasts"]] == ["one", "two"]
