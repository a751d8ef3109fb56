"""Convolution by matrix products where that trains faster.

Models are saved with the stock Keras layer (`tfctc.models.fast.to_stock`).
"""

from typing import Any

import keras
import tensorflow as tf

#: Largest height and width of the output, in pixels, at which subsampling or unfolding the input saves time.
SMALL_MAP = 3


@keras.saving.register_keras_serializable("tfctc")
class MatmulConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` that computes 1 x 1 kernels, and 3 x 3 ones on small maps, as one matrix product.

    Weights and results are those of Keras, to rounding. TensorFlow's convolution copies its weights into another memory
    layout, in every step and for each of three passes (output and two gradients). On maps of a few pixels that costs
    more than the convolution itself.

    Args:
        idle_bias: whether the bias is zero, not trained and not added, because BatchNorm follows and would remove it.
        args, kwargs: as for `keras.layers.Conv2D`.
    """

    def __init__(self, *args: Any, idle_bias: bool = False, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.idle_bias = idle_bias

    def get_config(self):
        return super().get_config() | {"idle_bias": self.idle_bias}

    def build(self, input_shape):
        super().build(input_shape)
        if self.idle_bias:
            self.bias.trainable = False

    def call(self, inputs):
        if not self.idle_bias:
            return super().call(inputs)
        return self.activation(self.convolution_op(inputs, self.kernel))

    def convolution_op(self, inputs, kernel):
        taps = self._taps(inputs)
        if taps is None:
            return super().convolution_op(inputs, kernel)
        _, height, width, filters = self.compute_output_shape(inputs.shape)
        columns, depth = tf.concat(taps, axis=-1), kernel.shape[0] * kernel.shape[1] * kernel.shape[2]
        product = tf.matmul(tf.reshape(columns, (-1, depth)), tf.reshape(kernel, (depth, filters)))
        return tf.reshape(product, (-1, height, width, filters))

    def _taps(self, x: tf.Tensor) -> list | None:
        """Input at each position of the kernel, ``(B, height, width, C)`` of the output; None where that is slower."""
        _, height, width, _ = self.compute_output_shape(x.shape)
        plain = self.groups == 1 and self.data_format == "channels_last" and self.dilation_rate == (1, 1)
        if not plain or None in (height, width):
            return None
        small = max(height, width) <= SMALL_MAP
        if self.kernel_size == (1, 1) and self.strides == (1, 1):
            return [x]
        if self.kernel_size == (1, 1) and small:
            return [x[:, :: self.strides[0], :: self.strides[1]]]
        if self.kernel_size == (3, 3) and self.strides == (1, 1) and self.padding == "same" and small:
            x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
            return [x[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        return None
