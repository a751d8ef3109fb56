"""Conversions of a network: to layers that train faster, back to stock Keras layers, and with BatchNorm folded in.

`tools/benchmarks/bench_training.py` measures what that is worth.
"""

from typing import Any

import keras

from tfctc.models.batchnorm import FusedBatchNormalization
from tfctc.models.convolution import MatmulConv2D

FAST_LAYERS: dict[type, Any] = {
    keras.layers.BatchNormalization: FusedBatchNormalization,
    keras.layers.Conv2D: MatmulConv2D,
}
STOCK_LAYERS: dict[type, Any] = {fast: stock for stock, fast in FAST_LAYERS.items()}


def to_fast(model: keras.Model) -> keras.Model:
    """A newly initialised copy of `model` made of fast layers: same names, weights, shapes and settings."""

    def clone(layer):
        config = layer.get_config()
        if type(layer) is keras.layers.Conv2D:
            config["idle_bias"] = bool(layer.use_bias and batchnorm_after(model, layer))
        kind: Any = FAST_LAYERS.get(type(layer), type(layer))
        return kind.from_config(config)

    return keras.models.clone_model(model, clone_function=clone)


def to_stock(model: keras.Model, dtype: str = "float32") -> keras.Model:
    """A copy of `model` with its weights, not compiled, of stock Keras layers that compute in `dtype`."""

    def clone(layer):
        config = {**layer.get_config(), "dtype": dtype}
        if isinstance(layer, MatmulConv2D):
            del config["idle_bias"]
        kind: Any = STOCK_LAYERS.get(type(layer), type(layer))
        return kind.from_config(config)

    # The plain functional model: `clone_model` would otherwise compile the copy as the original was.
    copy = keras.models.clone_model(keras.Model(model.input, model.output, name=model.name), clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def fold_batchnorm(model: keras.Model) -> keras.Model:
    """A copy of `model` for inference, BatchNorm multiplied into the convolutions: same output, to rounding."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    norms = {layer.name: norm for layer in convolutions if (norm := batchnorm_after(model, layer)) is not None}
    removed = {norm.name for norm in norms.values()}

    def clone(layer):
        if layer.name in removed:
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if layer.name in norms:
            config |= {"use_bias": True} | ({"idle_bias": False} if isinstance(layer, MatmulConv2D) else {})
        return type(layer).from_config(config)

    def call(layer, *arguments, **options):
        # A call of BatchNorm carries options that no other layer takes.
        return layer(*arguments, **({} if layer.name in removed else options))

    copy = keras.models.clone_model(
        keras.Model(model.input, model.output, name=model.name), clone_function=clone, call_function=call
    )
    for layer in copy.layers:
        source = model.get_layer(layer.name)
        if layer.name in norms:
            norm = norms[layer.name]
            factor = norm.gamma / keras.ops.sqrt(norm.moving_variance + norm.epsilon)
            bias = source.bias if source.use_bias else 0.0
            layer.set_weights([source.kernel * factor, norm.beta + (bias - norm.moving_mean) * factor])
        elif layer.name not in removed:
            layer.set_weights(source.get_weights())
    copy.trainable = False
    return copy


def move_biases(model: keras.Model) -> None:
    """Moves biases that the fast layers of `model` leave out, of weights trained elsewhere, into the BatchNorm after.

    BatchNorm computes ``x + bias - mean``, so that ``mean - bias`` and no bias give the same output.
    """
    for layer in model.layers:
        if isinstance(layer, MatmulConv2D) and layer.idle_bias:
            norm: Any = batchnorm_after(model, layer)
            mean = norm.moving_mean
            mean.assign(mean - layer.bias)
            layer.bias.assign(0 * layer.bias)


def only_reader(model: keras.Model, layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The layer of `model` that alone reads the output of `layer`; None if several do, or none."""
    output = layer.output
    readers = [other for other in model.layers if any(x is output for x in keras.tree.flatten(_input(other)))]
    return readers[0] if len(readers) == 1 else None


def batchnorm_after(model: keras.Model, layer: keras.layers.Layer) -> keras.layers.BatchNormalization | None:
    """The BatchNorm that alone reads the output of a linear `layer`; None where there is none."""
    reader = only_reader(model, layer) if layer.activation is keras.activations.linear else None
    return reader if isinstance(reader, keras.layers.BatchNormalization) else None


def _input(layer: keras.layers.Layer) -> Any:
    return [] if isinstance(layer, keras.layers.InputLayer) else layer.input
