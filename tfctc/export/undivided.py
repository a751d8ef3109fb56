"""The student without a division that integers cannot do."""

import keras
import numpy as np

from tfctc.models.fast import sole_reader


def undivided(model: keras.Model) -> keras.Model:
    """A copy of `model` whose first convolution divides by the deviation of the pixels, not its `Normalization`.

    Same answers, to rounding. TFLite itself multiplies the factor into a convolution that follows at once. Where there
    is padding between, as in ResNet50, it gives the difference from the mean the scale of the quotient, in whose eight
    bits an image with little contrast leaves no trace. A model of another kind is given back as it is.
    """
    normalisation = next((layer for layer in model.layers if type(layer) is keras.layers.Normalization), None)
    first = normalisation and sole_reader(normalisation)
    while type(first) is keras.layers.ZeroPadding2D:
        first = sole_reader(first)
    if type(first) is not keras.layers.Conv2D:
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
