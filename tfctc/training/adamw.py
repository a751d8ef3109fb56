"""AdamW in two kernels a weight."""

import keras
import tensorflow as tf


class FusedAdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` (Loshchilov and Hutter 2019, arXiv 1711.05101), same state, same result to rounding.

    Keras spells the update out in some twelve passes over every weight and its two moments; these kernels take one for
    the decay and one for the step.
    """

    def _apply_weight_decay(self, variables):
        """Done in `update_step`, while the weight is at hand."""

    def update_step(self, gradient, variable, learning_rate):
        index, rate = self._get_variable_index(variable), tf.cast(learning_rate, variable.dtype)
        step = tf.cast(self.iterations + 1, variable.dtype)
        if self.weight_decay is not None and self._use_weight_decay(variable):
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate * self.weight_decay, delta=variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
