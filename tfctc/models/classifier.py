"""Classifier network: one builder for student and teacher, which differ in their input channels."""

from collections.abc import Mapping

import keras

from tfctc.config import ModelConfig
from tfctc.errors import ConfigError
from tfctc.models.backbones import BACKBONES, check_image_size
from tfctc.models.fast import move_biases, to_fast
from tfctc.models.weights import load_weights

#: Layers that every classifier has, and taps of the same names.
LOGITS = "logits"
EMBEDDING = "embedding"


def build_classifier(
    config: ModelConfig,
    image_size: tuple[int, int],
    normalisation: Mapping[str, tuple[float, float]],
    name: str = "classifier",
    classes: int = 2,
) -> keras.Model:
    """Functional Keras model from named channels to the logits of the classes.

    Args:
        config: backbone, channels, initial weights.
        image_size: height and width in pixels.
        normalisation: channel -> (mean, standard deviation) of its [0, 1] pixels over the training split.
        name: name of the model.
        classes: number of classes: 2, or 3 with the class other.

    Returns:
        Inputs: one float32 ``(B, H, W, 1)`` in [0, 1] for each channel, by name. Output: float32 logits
        ``(B, classes)`` in the order of the class indices, negative class first.

    Raises:
        ConfigError: an unknown backbone, images too small for it, or weights that do not fit.
    """
    backbone = BACKBONES[config.backbone]
    check_image_size(config.backbone, image_size)
    inputs = {channel: keras.Input((*image_size, 1), name=channel) for channel in config.channels}
    channels = []
    for channel, x in inputs.items():
        mean, std = normalisation[channel]
        # float32 even under mixed precision: 16-bit images would lose their contrast in half precision.
        channels.append(
            keras.layers.Normalization(
                axis=None, mean=mean, variance=std**2, dtype="float32", name=f"normalise_{channel}"
            )(x)
        )
    x = channels[0] if len(channels) == 1 else keras.layers.Concatenate(name="channels")(channels)
    x = backbone.build(x)
    x = keras.layers.GlobalAveragePooling2D(name=EMBEDDING)(x)
    if config.dropout:
        x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    logits = keras.layers.Dense(classes, dtype="float32", name=LOGITS)(x)
    model = keras.Model(inputs, logits, name=name)
    if config.batchnorm_momentum is not None:
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = config.batchnorm_momentum
    model = to_fast(model)
    load_weights(model, config.weights, backbone)
    move_biases(model)
    return model


def with_taps(model: keras.Model, config: ModelConfig, taps: set[str]) -> keras.Model:
    """Model that shares all layers of a classifier and returns ``{tap: feature}``.

    Args:
        model: the classifier.
        config: its settings.
        taps: names of the taps to return. "logits" ``(B, K)`` and "embedding" ``(B, d)`` are taps of every model.

    Raises:
        ConfigError: a tap that the backbone does not have.
    """
    layers = {**BACKBONES[config.backbone].taps, EMBEDDING: EMBEDDING, LOGITS: LOGITS}
    for tap in taps - set(layers):
        raise ConfigError(f"backbone {config.backbone} has no tap {tap!r}", fix=f"choose one of: {', '.join(layers)}")
    outputs = {tap: model.get_layer(layers[tap]).output for tap in sorted(taps)}
    return keras.Model(model.input, outputs, name=f"{model.name}_tapped")


def probability(logits):
    """Probability of the positive class, ``(B,)``, from logits ``(B, K)``."""
    return keras.ops.softmax(logits, axis=-1)[:, 1]


def outputs(logits):
    """Output of an exported model, from logits ``(B, K)``.

    For two classes, the probability of the positive one, ``(B,)``. For three, the probability of each, ``(B, 3)``, in
    the order of the class indices.
    """
    return keras.ops.softmax(logits, axis=-1) if logits.shape[-1] > 2 else probability(logits)


def log_odds(logits):
    """Log-odds of the positive class, ``(B,)``, from logits ``(B, K)``; exact also where `probability` rounds to 1."""
    rest = logits[:, 0]
    if logits.shape[-1] > 2:
        rest = keras.ops.logaddexp(rest, logits[:, 2])
    return logits[:, 1] - rest
