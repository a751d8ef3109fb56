"""ResNet50 (He et al. 2015, arXiv 1512.03385) as keras.applications builds it, with the same layer names."""

import keras

from tfctc.models.backbones.base import BACKBONES, Backbone


def build(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.applications.ResNet50(include_top=False, weights=None, input_tensor=x).output


def published(weights: str) -> keras.Model:
    return keras.applications.ResNet50(include_top=False, weights=weights)


BACKBONES.register("resnet50")(
    Backbone(
        build=build,
        taps={
            "stage1": "conv2_block3_out",
            "stage2": "conv3_block4_out",
            "stage3": "conv4_block6_out",
            "stage4": "conv5_block3_out",
        },
        published=published,
        # Its published weights were trained on 0 to 255 minus the mean, not divided by the standard deviation of
        # ImageNet, which is 255 x 0.226.
        published_std=57.6,
        min_size=32,
    )
)
