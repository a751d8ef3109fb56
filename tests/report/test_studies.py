"""Cells on which a student is studied."""

import numpy as np

from tfctc.report.studies import balanced


def test_the_classes_take_turns_until_one_is_used_up():
    labels = np.array([0] * 50 + [1] * 5)
    rows = balanced(labels, 20, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 20
    assert labels[rows[:10]].sum() == 5 and labels[rows].sum() == 5
    assert balanced(labels[:50], 99, np.random.default_rng(0)).size == 50


def test_the_choice_is_random_and_repeatable():
    labels = np.arange(100) % 2
    one, again, other = (balanced(labels, 30, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert set(one.tolist()) != set(other.tolist())
