"""Calibration of the logits, folded into the last layer of a classifier."""

from collections.abc import Sequence

import keras
import numpy as np

from tfctc.models.classifier import LOGITS


def fold_calibration(model: keras.Model, scale: float, biases: Sequence[float]) -> keras.Model:
    """A copy of a classifier with the logits ``scale * logits + biases``; it has no layer more.

    The mean of the logits of each cell is 0 in the copy. So an integer network spends its 256 steps on the differences
    of the logits, which alone decide the probabilities, and none on their mean.

    Args:
        model: channels by name -> logits ``(B, K)`` of the dense layer "logits", negative class first.
        scale: factor of the logits, above 0.
        biases: shift of each logit.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layer = copy.get_layer(LOGITS)
    kernel, offset = (weight.astype(np.float64) for weight in layer.get_weights())
    offset = scale * offset + np.asarray(biases)
    layer.set_weights([scale * (kernel - kernel.mean(axis=1, keepdims=True)), offset - offset.mean()])
    return copy
