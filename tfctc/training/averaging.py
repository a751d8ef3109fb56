"""The average of the weights on their way, in place of the last ones."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

#: Training batches that BatchNorm sees of averaged weights before they are validated.
SETTLING = 16


class Averaging(keras.callbacks.Callback):
    """Has the exponential moving average of the weights validated, and holds it for the checkpoint.

    The average lies nearer to the middle of a minimum than the last weights, and swings less from epoch to epoch
    (Polyak and Juditsky 1992; Tarvainen and Valpola 2017, arXiv 1703.01780). The optimizer keeps it (`use_ema`). What
    BatchNorm has counted belongs to the last weights; for the averaged ones mean and variance are counted anew on
    some training batches (Izmailov et al. 2018, arXiv 1803.05407, section 3.2). Training goes on from the last weights.

    `keras.callbacks.SwapEMAWeights` does not count anew, swaps with a rounding error, and leaves the average in the
    model between two epochs, which is when a state is saved.

    Args:
        keep: the model of which the averaged weights are wanted, the trained model itself or a part of it.
        batches: ``(x, y, sample_weight)``, as in training.
    """

    def __init__(self, keep: keras.Model, batches: Iterable):
        super().__init__()
        self._keep, self._source = keep, batches
        self._train = tf.function(lambda x: keep(x, training=True))
        self._averaged = keep.get_weights()

    def averaged(self) -> list[np.ndarray]:
        """Of `keep`, as they were validated last."""
        return self._averaged

    def on_train_begin(self, logs=None):
        # Not before: a training that has ended is never begun.
        self._batches = [{name: x[name] for name in self._keep.input} for x, *_ in self._source]

    def on_test_begin(self, logs=None):
        self._last = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        self._count_anew()
        self._averaged = self._keep.get_weights()

    def on_test_end(self, logs=None):
        self.model.set_weights(self._last)

    def _count_anew(self) -> None:
        norms = [layer for layer in self._keep.layers if isinstance(layer, keras.layers.BatchNormalization)]
        moving = [(layer.momentum, value) for layer in norms for value in (layer.moving_mean, layer.moving_variance)]
        for _, value in moving:
            value.assign(keras.ops.zeros_like(value))
        for x in self._batches:
            self._train(x)
        for momentum, value in moving:
            # Of a moving average that began with 0, this is what is still 0.
            value.assign(value / (1 - momentum ** len(self._batches)))
