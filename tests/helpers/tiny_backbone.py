"""The backbone "tiny": two convolutions, for tests that would spend their time compiling a larger network."""

import keras

from tfctc.models.backbones import residual
from tfctc.models.backbones.base import BACKBONES, Backbone


def _tiny(x):
    x = keras.layers.ReLU(name="stage1")(residual.convolution(x, 4, 3, 2, "first"))
    return keras.layers.ReLU(name="stage3")(residual.convolution(x, 8, 3, 2, "second"))


def register_tiny():
    """Makes the backbone known to settings."""
    BACKBONES.register("tiny")(Backbone(_tiny, {"stage1": "stage1", "stage3": "stage3"}))
