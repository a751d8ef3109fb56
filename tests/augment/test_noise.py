"""Oracles: scipy.ndimage.gaussian_filter, closed-form variances."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfctc.augment import noise
from tfctc.augment.noise import blur, read, shot


@pytest.mark.parametrize("sigma", [0.3, 0.7, 2.0])
def test_blur_equals_scipy_with_weights_that_sum_to_one_at_the_border(sigma):
    image = np.random.default_rng(0).uniform(size=(15, 22)).astype(np.float32)

    def smooth(x):
        return ndimage.gaussian_filter(x, sigma, mode="constant", radius=25)

    expected = smooth(image) / smooth(np.ones_like(image))
    np.testing.assert_allclose(
        blur(tf.constant(image[None, ..., None]), tf.fill((1, 1, 1, 1), sigma))[0, ..., 0], expected, atol=1e-5
    )


def bands(height=200):
    """Three bands with levels 0.1, 0.2 and 0.4, many pixels each."""
    return np.repeat(np.float32([0.1, 0.2, 0.4]), height).reshape(1, -1, 1, 1) * np.ones((1, 1, 150, 1), np.float32)


def band_deviations(noisy):
    return (noisy - bands()).reshape(3, -1).std(axis=1)


def test_shot_noise_has_variance_proportional_to_the_level():
    normal = tf.random.stateless_normal((1, 600, 150, 1), (1, 2))
    deviations = band_deviations(shot(bands(), 0.1, normal).numpy())
    # Contrast 0.3; at the high level 0.4 the deviation is 0.1 x 0.3. 30,000 pixels: 0.4 % standard error.
    np.testing.assert_allclose(deviations, 0.1 * 0.3 * np.sqrt(np.array([0.1, 0.2, 0.4]) / 0.4), rtol=0.02)


def test_read_noise_has_the_same_variance_everywhere():
    normal = tf.random.stateless_normal((1, 600, 150, 1), (1, 2))
    np.testing.assert_allclose(band_deviations(read(bands(), 0.1, normal).numpy()), 0.1 * 0.3, rtol=0.02)


def test_shot_noise_leaves_values_below_zero_alone():
    image = np.float32([-0.5, 0.0, 0.5, 1.0]).reshape(1, 1, 4, 1).repeat(4, axis=1).repeat(4, axis=2)
    noisy = shot(tf.constant(image), 0.1, tf.ones_like(image)).numpy()
    np.testing.assert_array_equal(noisy[:, :, :8], image[:, :, :8])
    assert (noisy[:, :, 8:] > image[:, :, 8:]).all()


@pytest.mark.parametrize(
    "operation",
    [noise.ShotNoise(0.3), noise.ReadNoise(0.3), noise.DapiShotNoise(0.3), noise.DapiReadNoise(0.3)],
    ids=repr,
)
def test_noise_is_unbiased_and_its_amount_drawn_up_to_its_strength(operation):
    images = tf.constant(np.repeat(np.float32([1, 2]), 32).reshape(-1, 1, 1) * np.ones((100, 1, 64, 1), np.float32))
    changes = (operation({operation.channel: images}, (1, 5))[operation.channel] - images).numpy()[:, 32:]
    amounts = changes.std(axis=(1, 2, 3))
    assert amounts.min() < 0.03 and 0.27 < amounts.max() < 0.3 * 1.1
    assert abs(changes.mean()) < 5 * 0.3 / np.sqrt(changes.size)


def test_blur_draws_up_to_its_strength():
    points = np.zeros((100, 21, 21, 1), np.float32)
    points[:, 10, 10] = 1
    distance2 = (np.arange(21) - 10.0) ** 2
    for operation in (noise.Blur(2.0), noise.DapiBlur(2.0)):
        blurred = operation({operation.channel: tf.constant(points)}, (1, 8))[operation.channel].numpy()
        spread = np.sqrt(blurred.sum(axis=(2, 3)) @ distance2)
        assert spread.min() < 0.2 and 1.8 < spread.max() <= 2.0 + 1e-3
