"""Input normalisation folded into the first convolution, because int8 represents its division badly."""

import keras
import numpy as np

from tfctc.models.fast import only_consumer


def fold_normalisation(model: keras.Model) -> keras.Model:
    """A copy of `model` in which the first convolution, not `Normalization`, divides by the pixels' standard deviation.

    The output is the same up to rounding. TFLite folds the factor itself if the convolution follows directly. If there
    is padding between them, as in ResNet50, TFLite quantizes the difference from the mean with the scale of the
    quotient; an image of low contrast is then lost in the eight bits. A model without such layers is returned as it is.
    """
    normalisation = next((layer for layer in model.layers if type(layer) is keras.layers.Normalization), None)
    if normalisation is None:
        return model
    first = only_consumer(model, normalisation)
    while type(first) is keras.layers.ZeroPadding2D:
        first = only_consumer(model, first)
    if first is None or type(first) is not keras.layers.Conv2D:
        return model

    def clone(layer):
        return type(layer).from_config(layer.get_config() | ({"variance": 1.0} if layer is normalisation else {}))

    copy = keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer is not normalisation:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    kernel = copy.get_layer(first.name).kernel
    kernel.assign(kernel / np.sqrt(normalisation.variance).item())
    return copy
