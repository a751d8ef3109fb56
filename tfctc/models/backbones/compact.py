"""A residual network of 0.45 M parameters for small instruments and quick experiments."""

import keras

from tfctc.models.backbones import residual
from tfctc.models.backbones.base import BACKBONES, Backbone

DEPTHS = (1, 1, 1, 1)


def build(x: keras.KerasTensor) -> keras.KerasTensor:
    x = keras.layers.ReLU(name="stem_relu")(residual.convolution(x, 24, 3, 1, "stem"))
    x = keras.layers.MaxPooling2D(2, name="stem_pool")(x)
    return residual.stages(x, (24, 48, 96, 128), DEPTHS)


BACKBONES.register("compact")(Backbone(build=build, taps=residual.taps(DEPTHS)))
