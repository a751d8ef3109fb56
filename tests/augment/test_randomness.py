"""Oracle: SciPy's normal distribution."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfctc.augment.randomness import normal, uniform


def test_normal_numbers_pass_for_normal():
    drawn = normal((1, 2), tf.zeros((64, 40, 40, 1))).numpy().ravel()
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    # Five standard errors of the first four moments of 102,400 numbers.
    error = 5 / np.sqrt(drawn.size)
    assert abs(drawn.mean()) < error and abs(drawn.var() - 1) < error * np.sqrt(2)
    assert abs(stats.skew(drawn)) < error * np.sqrt(6) and abs(stats.kurtosis(drawn)) < error * np.sqrt(24)
    lags = [np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1] for lag in (1, 2, 4, 40, 1600)]
    assert np.abs(lags).max() < error


@pytest.mark.parametrize("shape", [(1, 3, 3, 1), (2, 5, 7, 1), (1, 1, 1, 1)])
def test_normal_numbers_have_any_shape_and_the_seed_decides(shape):
    images = tf.zeros(shape)
    first, again, other = (normal(seed, images).numpy() for seed in ((1, 2), (1, 2), (2, 2)))
    assert first.shape == shape and first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_uniform_numbers_are_one_for_each_cell():
    drawn = uniform((3, 4), tf.zeros((500, 8, 8, 1)), -2.0, 4.0)
    assert drawn.shape == (500, 1, 1, 1)
    assert stats.kstest(np.ravel(drawn), "uniform", (-2, 6)).pvalue > 1e-3
