"""Conversions of a network: to layers that train faster, back to stock Keras layers, and with BatchNorm folded in.

`tools/benchmarks/bench_training.py` measures the gain in speed.
"""

from typing import Any

import keras

from tfctc.models.batchnorm import FusedBatchNormalization
from tfctc.models.convolution import MatmulConv2D

#: Stock Keras layer -> layer that trains faster with the same weights.
FAST_LAYERS: dict[type, Any] = {
    keras.layers.BatchNormalization: FusedBatchNormalization,
    keras.layers.Conv2D: MatmulConv2D,
}
STOCK_LAYERS: dict[type, Any] = {fast: stock for stock, fast in FAST_LAYERS.items()}


def to_fast(model: keras.Model) -> keras.Model:
    """Copy of a model with fast layers of the same names, shapes and settings. Its weights are initialised anew."""

    def clone(layer):
        config = layer.get_config()
        if type(layer) is keras.layers.Conv2D:
            config["idle_bias"] = bool(layer.use_bias and batchnorm_after(model, layer))
        kind: Any = FAST_LAYERS.get(type(layer), type(layer))
        return kind.from_config(config)

    return keras.models.clone_model(model, clone_function=clone)


def to_stock(model: keras.Model, dtype: str = "float32") -> keras.Model:
    """Copy of a model, weights included, with stock Keras layers that compute in `dtype`; not compiled."""

    def clone(layer):
        config = {**layer.get_config(), "dtype": dtype}
        if isinstance(layer, MatmulConv2D):
            del config["idle_bias"]
        kind: Any = STOCK_LAYERS.get(type(layer), type(layer))
        return kind.from_config(config)

    # A new functional model, because `clone_model` would compile the copy of a compiled model.
    copy = keras.models.clone_model(keras.Model(model.input, model.output, name=model.name), clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def fold_batchnorm(model: keras.Model) -> keras.Model:
    """Copy of a model for inference, with BatchNorm multiplied into the convolutions: the same output, to rounding.

    Kernel and bias become ``kernel * f`` and ``beta + (bias - mean) * f``; ``f = gamma / sqrt(variance + epsilon)``.
    """
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
        # BatchNorm is called with options that the Identity in its place does not take.
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
    """Moves the biases that fast layers ignore (`idle_bias`) into the moving mean of the BatchNorm after them.

    The model is changed in place. Weights that were loaded from a file may have such biases. BatchNorm computes
    ``x + bias - mean``, so the mean ``mean - bias`` without a bias gives the same output.
    """
    for layer in model.layers:
        if isinstance(layer, MatmulConv2D) and layer.idle_bias:
            norm: Any = batchnorm_after(model, layer)
            mean = norm.moving_mean
            mean.assign(mean - layer.bias)
            layer.bias.assign(0 * layer.bias)


def only_consumer(model: keras.Model, layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The only layer of `model` that reads the output of `layer`; None if there are several, or none."""
    output = layer.output
    readers = [other for other in model.layers if any(x is output for x in keras.tree.flatten(_input(other)))]
    return readers[0] if len(readers) == 1 else None


def batchnorm_after(model: keras.Model, layer: keras.layers.Layer) -> keras.layers.BatchNormalization | None:
    """The BatchNorm that is the only reader of a layer without activation; None if there is no such BatchNorm."""
    reader = only_consumer(model, layer) if layer.activation is keras.activations.linear else None
    return reader if isinstance(reader, keras.layers.BatchNormalization) else None


def _input(layer: keras.layers.Layer) -> Any:
    return [] if isinstance(layer, keras.layers.InputLayer) else layer.input
