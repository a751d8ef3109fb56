"""ResNet50 (He et al. 2015, arXiv 1512.03385) as keras.applications builds it, with the same layer names.

Each block begins as its shortcut: the scale of its last BatchNorm is 0 (Goyal et al. 2017, arXiv 1706.02677, section
5.1). Without that, the logits of a new network are large, and the first hundred steps are spent on making them small.
"""

import keras

from tfctc.models.backbones.base import BACKBONES, Backbone

#: End of the name of the last BatchNorm of a block.
LAST_NORM = "_3_bn"


def build(x: keras.KerasTensor) -> keras.KerasTensor:
    network = keras.applications.ResNet50(include_top=False, weights=None, input_tensor=x)
    for layer in network.layers:
        if layer.name.endswith(LAST_NORM):
            # `build_classifier` makes the layers anew from their settings, and then the weights.
            layer.gamma_initializer = keras.initializers.Zeros()
    return network.output


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
