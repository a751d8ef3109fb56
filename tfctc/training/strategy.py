"""Which devices a run uses."""

import tensorflow as tf


def choose_strategy() -> tf.distribute.Strategy:
    """Every GPU there is, mirrored; without one, or with one, TensorFlow's default."""
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()
