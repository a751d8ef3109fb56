"""BatchNorm that trains in one kernel. Models are saved with the stock Keras layer (`tfctc.models.fast.to_stock`)."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfctc")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over the channels of ``(B, H, W, C)``, trained in one fused kernel.

    Weights and results are those of Keras, to rounding. Keras 3 writes the training pass as some ten operations,
    forward and backward; `tools/benchmarks/bench_training.py` measures their cost.
    """

    def call(self, x, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(x, training=False)
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x,
            # Under mixed precision too, the kernel requires float32.
            tf.cast(self.gamma, tf.float32),
            tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel returns the unbiased variance; Keras averages the biased one.
        n = tf.cast(tf.size(x) // tf.shape(x)[-1], variance.dtype)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance * (n - 1) / n)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return y
