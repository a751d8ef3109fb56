"""Calibration of the log-odds, folded into the last layer of a classifier."""

import keras
import numpy as np

from tfctc.models.classifier import LOGITS


def fold_calibration(model: keras.Model, scale: float, bias: float) -> keras.Model:
    """A copy of a classifier whose log-odds are ``scale * log_odds + bias``; it has no layer more.

    The two logits of the copy are minus and plus half of these log-odds. So an integer network spends its 256 steps on
    the difference of the logits, which alone decides the probability, and none on their mean.

    Args:
        model: channels by name -> logits ``(B, 2)`` of the dense layer "logits", negative class first.
        scale: factor of the log-odds, above 0.
        bias: shift of the log-odds.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layer = copy.get_layer(LOGITS)
    kernel, offset = (weight.astype(np.float64) for weight in layer.get_weights())
    direction = scale * (kernel[:, 1] - kernel[:, 0]) / 2
    shift = (scale * (offset[1] - offset[0]) + bias) / 2
    layer.set_weights([np.stack([-direction, direction], axis=1), np.array([-shift, shift])])
    return copy
