"""BatchNorm in one kernel while training; what is saved is stock Keras."""

import keras
import tensorflow as tf


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over the channels of ``(B, H, W, C)``, trained in one fused kernel.

    Same weights, same result to rounding. Keras 3 spells the training pass out in some ten operations, forward and
    back; `tools/bench_training.py` shows what that costs.
    """

    def call(self, x, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(x, training=False)
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x,
            # Also under mixed precision: the kernel wants them in float32.
            tf.cast(self.gamma, tf.float32),
            tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel reports the unbiased variance; Keras averages the biased one.
        n = tf.cast(tf.size(x) // tf.shape(x)[-1], variance.dtype)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance * (n - 1) / n)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return y


def fused(model: keras.Model) -> keras.Model:
    """A newly initialised copy of `model` whose BatchNorm layers are fused."""
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: (
            FusedBatchNormalization.from_config(layer.get_config())
            if type(layer) is keras.layers.BatchNormalization
            else layer.from_config(layer.get_config())
        ),
    )


def stock(model: keras.Model, dtype: str = "float32") -> keras.Model:
    """A copy of `model` with its weights, not compiled, of stock Keras layers that compute in `dtype`."""

    def clone(layer):
        kind = keras.layers.BatchNormalization if isinstance(layer, FusedBatchNormalization) else type(layer)
        return kind.from_config({**layer.get_config(), "dtype": dtype})

    # The plain functional model: `clone_model` would otherwise compile the copy as the original was.
    copy = keras.models.clone_model(keras.Model(model.input, model.output, name=model.name), clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy
