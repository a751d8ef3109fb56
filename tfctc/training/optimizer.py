"""Optimizer: AdamW in two kernels for each weight, with warm-up and cosine decay of the learning rate."""

from typing import Any

import keras
import tensorflow as tf

from tfctc.config import TrainingConfig

#: Words in the names of weights without weight decay: biases, and scale and offset of normalisation layers.
NO_DECAY = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable("tfctc")
class FusedAdamW(keras.optimizers.Optimizer):
    """`keras.optimizers.AdamW` with fewer passes over memory; same state, and same result up to rounding.

    Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", arXiv 1711.05101. Keras makes about twelve
    passes over every weight and its two moments. Here one pass applies the weight decay, a second one the Adam step.

    Args:
        learning_rate: number or schedule.
        decay: decoupled weight decay; a step subtracts ``learning_rate * decay * weight``.
        no_decay: words; a weight whose name contains one of them has no weight decay.
        beta_1, beta_2: decay rates of the first and second moment.
        epsilon: constant added to the square root of the second moment.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        decay: float = 4e-3,
        no_decay: tuple[str, ...] = NO_DECAY,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "adamw",
        **options: Any,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.decay, self.no_decay = decay, tuple(no_decay)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.momentums, self.velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient, variable, learning_rate):
        index, rate = self._get_variable_index(variable), tf.cast(learning_rate, variable.dtype)
        step = tf.cast(self.iterations + 1, variable.dtype)
        if self.decay and not any(word in variable.name for word in self.no_decay):
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate * self.decay, delta=variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self.momentums[index].value.handle,
            v=self.velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def get_config(self):
        own = ("decay", "no_decay", "beta_1", "beta_2", "epsilon")
        return super().get_config() | {name: getattr(self, name) for name in own}


def build_optimizer(training: TrainingConfig, total_steps: int) -> FusedAdamW:
    """AdamW for a training of `total_steps`: the learning rate rises linearly from 0, then decays to 0 by a cosine."""
    warmup = int(training.warmup * total_steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else training.learning_rate,
        max(1, total_steps - warmup),
        warmup_target=training.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    average: dict[str, Any] = {"use_ema": True, "ema_momentum": training.weight_average}
    return FusedAdamW(schedule, decay=training.weight_decay, **(average if training.weight_average else {}))
