"""A made-up cell for augmentations."""

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="session")
def cell():
    """Both channels of a made-up cell, ``(1, 24, 20, 1)``, not square, in narrow slices of [0, 1] as real ones are."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[0:24, 0:20]
    distance = np.hypot(rows - 12.5, columns - 9.0)
    brightfield = 0.165 + 0.03 * np.cos(distance) * np.exp(-distance / 4) + rng.normal(0, 0.001, distance.shape)
    dapi = 0.01 + 0.5 * np.exp(-((distance / 4) ** 4)) + rng.normal(0, 0.001, distance.shape)
    return {
        "brightfield": tf.constant(brightfield[None, ..., None], tf.float32),
        "dapi": tf.constant(dapi[None, ..., None], tf.float32),
    }
