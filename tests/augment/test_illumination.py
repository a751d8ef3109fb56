"""Oracles: closed forms in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfctc.augment import illumination
from tfctc.augment.illumination import bleach, gain, gamma, gradient, offset, vignette
from tfctc.augment.operation import levels

#: Low level 0.2, high level 0.6: one 4 x 4 block each, 0.3 elsewhere.
BLOCKS = np.full((1, 12, 16, 1), 0.3, np.float32)
BLOCKS[:, :4, :4], BLOCKS[:, 8:, 12:] = 0.2, 0.6


def test_levels_are_block_means_and_ignore_hot_pixels():
    np.testing.assert_allclose(np.ravel(levels(BLOCKS)), (0.2, 0.6), rtol=1e-6)
    hot = BLOCKS.copy()
    hot[:, 5, 5] = 1.0
    np.testing.assert_allclose(np.ravel(levels(hot)), (0.2, 0.6), rtol=1e-6)
    images = np.random.default_rng(0).uniform(size=(3, 13, 11, 1)).astype(np.float32)
    for i, image in enumerate(images):
        means = [image[r : r + 4, c : c + 4].mean() for r in (0, 4, 8) for c in (0, 4)]
        found = [np.ravel(level)[i] for level in levels(images)]
        np.testing.assert_allclose(found, (min(means), max(means)), rtol=1e-6)


def test_gain_and_offset():
    np.testing.assert_array_equal(gain(tf.constant(BLOCKS), 3.0), BLOCKS * np.float32(3))
    np.testing.assert_allclose(offset(BLOCKS, -0.25), BLOCKS - 0.25 * 0.4, atol=1e-6)


def test_gamma_bends_between_the_levels_and_leaves_the_rest():
    image = BLOCKS.copy()
    image[:, 5, 5], image[:, 6, 9] = 0.9, 0.1  # beyond the levels, too few to move them
    expected = 0.2 + 0.4 * ((BLOCKS - 0.2) / 0.4).clip(0, 1) ** 1.7
    expected[:, 5, 5], expected[:, 6, 9] = 0.9, 0.1
    np.testing.assert_allclose(gamma(image, 1.7), expected, atol=1e-6)


def test_gradient_is_a_plane_times_the_image():
    ones = np.ones((1, 9, 5, 1), np.float32)
    actual = gradient(ones, tf.constant([0.1, -0.2]))[0, ..., 0].numpy()
    np.testing.assert_allclose([actual[0, 0], actual[0, -1], actual[-1, 0], actual[-1, -1]], [1.1, 0.7, 1.3, 0.9])
    np.testing.assert_allclose(np.diff(actual, axis=0), 0.1 / 4, atol=1e-6)
    np.testing.assert_allclose(np.diff(actual, axis=1), -0.2 / 2, atol=1e-6)
    assert actual.mean() == pytest.approx(1)
    part = BLOCKS[:, :9, :5]
    np.testing.assert_allclose(gradient(part, [0.1, -0.2])[0, ..., 0], part[0, ..., 0] * actual, rtol=1e-6)


def test_vignette_falls_off_with_the_squared_distance():
    ones = np.ones((1, 11, 21, 1), np.float32)
    centred = vignette(ones, 0.3, tf.constant([0.0, 0.0]))[0, ..., 0].numpy()
    np.testing.assert_allclose([centred[5, 10], centred[0, 10], centred[5, 20], centred[0, 0]], [1, 0.85, 0.85, 0.7])
    rows, columns = np.meshgrid(np.linspace(-1, 1, 11), np.linspace(-1, 1, 21), indexing="ij")
    expected = 1 - 0.3 * ((rows - 0.5) ** 2 + (columns + 0.2) ** 2) / 2
    np.testing.assert_allclose(vignette(ones, 0.3, tf.constant([0.5, -0.2]))[0, ..., 0], expected, rtol=1e-5)


def test_bleaching_takes_signal_and_leaves_background():
    np.testing.assert_allclose(bleach(BLOCKS, 0.25), 0.2 + 0.75 * (BLOCKS - 0.2), atol=1e-6)


def applied(operation, images, seed):
    return operation({operation.channel: tf.constant(images, tf.float32)}, seed)[operation.channel].numpy()


@pytest.mark.parametrize(
    ("operation", "read_off", "low"),
    [
        (illumination.Gain(0.3), lambda x: np.log(x[0, 0, 0]), -0.3),
        (illumination.DapiGain(0.3), lambda x: np.log(x[0, 0, 0]), -0.3),
        (illumination.Offset(0.3), lambda x: x[0, 0, 0] - 1, -0.3),
        (illumination.DapiBackground(0.3), lambda x: x[0, 0, 0] - 1, 0),
        (illumination.DapiBleaching(0.3), lambda x: 2 - x[0, -1, 0], 0),
        (illumination.Gamma(0.3), lambda x: np.log(np.log(x[0, 4, 0] - 1) / np.log(0.25)), -0.3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_draws_stay_within_and_fill_their_strength(operation, read_off, low):
    images = np.ones((100, 4, 12, 1), np.float32)  # low level 1, contrast 1: what was drawn can be read off
    images[:, :, 4:8], images[:, :, 8:] = 1.25, 2.0
    drawn = np.array([read_off(image) for image in applied(operation, images, (1, 4))])
    assert low - 1e-5 <= drawn.min() < low + 0.1 * (0.3 - low)
    assert 0.3 - 0.1 * (0.3 - low) < drawn.max() <= 0.3 + 1e-5


def test_gradient_draws_every_direction_up_to_its_strength():
    lit = applied(illumination.Gradient(0.3), np.ones((200, 5, 7, 1)), (1, 2))[..., 0]
    slopes = np.stack([lit[:, -1, 3] - lit[:, 0, 3], lit[:, 2, -1] - lit[:, 2, 0]]) / 2
    assert 0.27 < np.hypot(*slopes).max() <= 0.3 + 1e-5
    quadrants = np.bincount((slopes[0] > 0) * 2 + (slopes[1] > 0), minlength=4)
    assert quadrants.min() > 25  # 50 expected, standard deviation 6


def test_vignette_draws_its_axis_near_the_centre():
    rows, columns = (g.ravel() for g in np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 9), indexing="ij"))
    terms = np.stack([np.ones_like(rows), rows, columns, rows**2 + columns**2], axis=1)
    lit = applied(illumination.Vignette(0.3), np.ones((200, 7, 9, 1)), (1, 9)).reshape(200, -1).T
    _, *linear, quadratic = np.linalg.lstsq(terms, lit.astype(np.float64), rcond=None)[0]
    assert 0 <= -2 * quadratic.min() <= 0.3 + 1e-5 and -2 * quadratic.min() > 0.27 and quadratic.max() < 1e-6
    centres = np.array(linear)[:, quadratic < -0.01] / (-2 * quadratic[quadratic < -0.01])
    assert centres.min(axis=1).max() < -0.45 and centres.max(axis=1).min() > 0.45
    assert np.abs(centres).max() < 0.5 + 1e-3
