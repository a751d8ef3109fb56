"""Input normalisation folded into the first convolution: a division that integers cannot do well is gone."""

import keras
import numpy as np

from tfctc.models.fast import only_reader


def fold_normalisation(model: keras.Model) -> keras.Model:
    """A copy of `model` whose first convolution divides by the pixels' deviation, in place of its `Normalization`.

    Same output, to rounding. TFLite itself multiplies the factor into a convolution that follows at once. Where there
    is padding between, as in ResNet50, TFLite gives the difference from the mean the scale of the quotient, in whose
    eight bits an image with little contrast leaves no trace. A model of another kind is returned as it is.
    """
    normalisation = next((layer for layer in model.layers if type(layer) is keras.layers.Normalization), None)
    if normalisation is None:
        return model
    first = only_reader(model, normalisation)
    while type(first) is keras.layers.ZeroPadding2D:
        first = only_reader(model, first)
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
