"""Random numbers for a batch of cells, decided by a seed alone."""

from functools import cache

import numpy as np
import tensorflow as tf
from scipy.special import ndtri


def uniform(seed: tf.Tensor, images: tf.Tensor, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """A uniform number from `low` to `high` for each cell of `images` ``(B, H, W, 1)``: float32 ``(B, 1, 1, 1)``."""
    return tf.random.stateless_uniform((tf.shape(images)[0], 1, 1, 1), seed, low, high)


def normal(seed: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """A standard normal number for each pixel, float32, shaped like `images`.

    Inverse transform sampling of 16 random bits: 65536 equally likely values, the largest 4.3. It is three times as
    fast as `tf.random.stateless_normal`, which would take half of the time of the whole augmentation.
    """
    pixels = tf.size(images)
    bits = tf.random.stateless_uniform(((pixels + 3) // 4,), seed, None, None, tf.uint64)
    return tf.reshape(_quantiles(tf.reshape(tf.bitcast(bits, tf.uint16), (-1,))[:pixels]), tf.shape(images))


@cache
def _table() -> np.ndarray:
    return ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)


@tf.function(jit_compile=True, autograph=False)
def _quantiles(bits: tf.Tensor) -> tf.Tensor:
    return tf.gather(_table(), tf.cast(bits, tf.int32))
