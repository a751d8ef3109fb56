"""Intervals against SciPy's own tests, shares against numbers computed by hand."""

import numpy as np
import pytest
from scipy import stats

from tfctc.comparison.statistics import gap_closed, interval, labels_interval, labels_needed


def test_the_interval_of_paired_differences_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.8, 0.02, 5), rng.normal(0.78, 0.02, 5)
    theirs = stats.ttest_rel(one, other).confidence_interval(0.9)
    found = interval(one - other, level=0.9)
    assert (found["low"], found["high"]) == pytest.approx((theirs.low, theirs.high), rel=1e-12)
    assert found["mean"] == pytest.approx((one - other).mean()) and found["seeds"] == 5


def test_one_seed_has_a_mean_and_no_interval():
    assert interval([0.7]) == {"mean": 0.7, "low": None, "high": None, "seeds": 1}


def test_the_gap_closed_is_a_share_of_means():
    found = gap_closed([0.8, 0.8, 0.8], [0.7, 0.7, 0.7], [0.9, 0.9, 0.9])
    assert found == pytest.approx({"value": 0.5, "low": 0.5, "high": 0.5, "seeds": 3})
    # Of a gap that is the same with all seeds, the interval is that of the shares.
    wide = gap_closed([0.75, 0.8, 0.9], [0.7, 0.7, 0.7], [0.9, 0.9, 0.9])
    theirs = stats.ttest_1samp([0.25, 0.5, 1.0], 0).confidence_interval()
    assert (wide["low"], wide["high"]) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_interval_of_the_gap_closed_covers_the_share_as_often_as_it_says(seeds):
    rng, held = np.random.default_rng(seeds), []
    for _ in range(2000):
        common = rng.normal(0, 0.02, seeds)
        baseline, student, ceiling = (common + rng.normal(mean, 0.01, seeds) for mean in (0.80, 0.84, 0.90))
        found = gap_closed(student, baseline, ceiling)
        held.append(found["low"] <= 0.4 <= found["high"])
    assert 0.93 < np.mean(held) < 0.98


def test_with_one_seed_the_gap_closed_has_no_interval():
    assert gap_closed([0.75], [0.7], [0.9]) == {"value": pytest.approx(0.25), "low": None, "high": None, "seeds": 1}


def test_the_gap_closed_is_none_without_a_gap():
    assert gap_closed([0.8, 0.8], [0.7, 0.9], [0.8, 0.8]) == {"value": None, "low": None, "high": None, "seeds": 2}


@pytest.mark.parametrize(
    "value,labels",
    [(0.75, 200.0), (0.8, 400.0), (0.7, 100.0), (0.85, 400 * 2**0.5), (0.69, None), (0.91, None)],
)
def test_labels_needed_lie_on_the_baselines_curve(value, labels):
    found = labels_needed(value, [400, 100, 800], [0.8, 0.7, 0.9])
    assert found == (None if labels is None else pytest.approx(labels))


def test_labels_needed_where_the_curve_falls_between_two_budgets():
    falling = [0.80, 0.78, 0.85], [50, 150, 500]
    assert labels_needed(0.79, falling[1], falling[0]) is None
    assert labels_needed(0.80, falling[1], falling[0]) == 50
    assert 150 < labels_needed(0.82, falling[1], falling[0]) < 500


def test_the_interval_of_the_labels_needed_is_where_the_paired_t_test_does_not_reject():
    """The baseline gains 0.1 a doubling in every seed; the interval is that of the difference, in doublings."""
    rng = np.random.default_rng(3)
    start = rng.normal(0.6, 0.02, 6)
    student = start + 0.15 + rng.normal(0, 0.03, 6)
    low, high = stats.ttest_rel(student, start).confidence_interval(0.95)
    found = labels_interval(student, [200, 100, 400, 800], [start + 0.1, start, start + 0.2, start + 0.3])
    assert (found["low"], found["high"]) == pytest.approx((100 * 2 ** (low / 0.1), 100 * 2 ** (high / 0.1)), rel=5e-3)


def test_the_labels_needed_have_no_bound_beyond_the_budgets():
    start, noise = np.full(4, 0.7), np.array([-0.01, 0.01, -0.01, 0.01])
    unlike = labels_interval(start + noise, [100, 200], [start, start + 0.1])
    assert unlike["low"] is None and 100 < unlike["high"] < 200, "100 labels and fewer may do"
    better = labels_interval(start + noise + 0.1, [100, 200], [start, start + 0.1])
    assert 100 < better["low"] < 200 and better["high"] is None
    far = labels_interval(start + noise + 0.5, [100, 200], [start, start + 0.1])
    assert far == {"low": None, "high": None}
    assert labels_interval([0.7], [100, 200], [[0.6], [0.8]]) == {"low": None, "high": None}


def test_equal_differences_in_all_seeds_leave_one_number_of_labels():
    found = labels_interval([0.75, 0.75], [100, 200], [[0.70, 0.70], [0.80, 0.80]])
    assert (found["low"], found["high"]) == (pytest.approx(100 * 2**0.5),) * 2
