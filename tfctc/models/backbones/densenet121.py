"""DenseNet121 (Huang et al. 2017, arXiv 1608.06993) as keras.applications builds it."""

import keras

from tfctc.models.backbones.base import BACKBONES, Backbone


def build(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.applications.DenseNet121(include_top=False, weights=None, input_tensor=x).output


def published(weights: str) -> keras.Model:
    return keras.applications.DenseNet121(include_top=False, weights=weights)


BACKBONES.register("densenet121")(
    Backbone(
        build=build,
        taps={
            "stage1": "conv2_block6_concat",
            "stage2": "conv3_block12_concat",
            "stage3": "conv4_block24_concat",
            "stage4": "relu",
        },
        published=published,
        min_size=32,
    )
)
