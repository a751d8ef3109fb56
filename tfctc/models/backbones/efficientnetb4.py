"""EfficientNetB4 (Tan and Le 2019, arXiv 1905.11946) as keras.applications builds it."""

import keras

from tfctc.models.backbones.base import BACKBONES, Backbone


def build(x: keras.KerasTensor) -> keras.KerasTensor:
    # The network of keras.applications divides its input by 255. Without this factor the epsilon of the first BatchNorm
    # would exceed the variance of the signal.
    x = keras.layers.Rescaling(255.0, name="undo_rescaling")(x)
    return keras.applications.EfficientNetB4(include_top=False, weights=None, input_tensor=x).output


def published(weights: str) -> keras.Model:
    return keras.applications.EfficientNetB4(include_top=False, weights=weights)


BACKBONES.register("efficientnetb4")(
    Backbone(
        build=build,
        taps={"stage1": "block2d_add", "stage2": "block3d_add", "stage3": "block5f_add", "stage4": "top_activation"},
        published=published,
        min_size=32,
    )
)
