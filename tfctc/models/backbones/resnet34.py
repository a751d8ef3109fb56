"""ResNet34 (He et al. 2015, arXiv 1512.03385, table 1); keras.applications has none."""

import keras

from tfctc.models.backbones import residual
from tfctc.models.backbones.base import BACKBONES, Backbone

DEPTHS = (3, 4, 6, 3)


def build(x: keras.KerasTensor) -> keras.KerasTensor:
    x = keras.layers.ReLU(name="stem_relu")(residual.convolution(x, 64, 7, 2, "stem"))
    x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    return residual.stages(x, (64, 128, 256, 512), DEPTHS)


BACKBONES.register("resnet34")(Backbone(build=build, taps=residual.taps(DEPTHS)))
