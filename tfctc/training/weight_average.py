"""Moving average of the weights, which is validated and saved in place of the last weights."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

#: Number of training batches from which the BatchNorm statistics of the averaged weights are computed.
BATCHES = 16


class WeightAverage(keras.callbacks.Callback):
    """Keras callback that validates the exponential moving average of the weights, and keeps it for the checkpoint.

    The average lies nearer to the middle of a minimum than the last weights, and varies less from epoch to epoch
    (Polyak and Juditsky 1992; Tarvainen and Valpola 2017, arXiv 1703.01780). The optimizer computes it (`use_ema`).
    BatchNorm's statistics belong to the last weights; for the averaged weights they are computed anew on some training
    batches (Izmailov et al. 2018, arXiv 1803.05407, section 3.2). Training continues from the last weights.

    `keras.callbacks.SwapEMAWeights` does not compute these statistics anew. It also swaps with a rounding error, and
    leaves the average in the model between two epochs, when the state is saved.

    Args:
        network: the network whose weights are averaged: the trained model or a part of it.
        batches: training batches ``(x, y, sample_weight)``, as for `fit`.
    """

    def __init__(self, network: keras.Model, batches: Iterable):
        super().__init__()
        self._network, self._source = network, batches
        self._train = tf.function(lambda x: network(x, training=True), autograph=False)
        self._averaged = network.get_weights()

    def averaged(self) -> list[np.ndarray]:
        """The averaged weights that were validated last, as `Model.get_weights` gives them."""
        return self._averaged

    def on_train_begin(self, logs=None):
        # Not in the constructor: a stage that was finished in an earlier session needs no batches.
        self._batches = [{name: x[name] for name in self._network.input} for x, *_ in self._source]

    def on_test_begin(self, logs=None):
        self._last = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        self._update_statistics()
        self._averaged = self._network.get_weights()

    def on_test_end(self, logs=None):
        self.model.set_weights(self._last)

    def _update_statistics(self) -> None:
        norms = [layer for layer in self._network.layers if isinstance(layer, keras.layers.BatchNormalization)]
        moving = [(layer.momentum, value) for layer in norms for value in (layer.moving_mean, layer.moving_variance)]
        for _, value in moving:
            value.assign(keras.ops.zeros_like(value))
        for x in self._batches:
            self._train(x)
        for momentum, value in moving:
            # The moving average started at 0; this divides by the total weight of the batches in it.
            value.assign(value / (1 - momentum ** len(self._batches)))
