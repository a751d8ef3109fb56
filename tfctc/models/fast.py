"""The same network of layers that train faster, back to stock Keras to be saved, and folded to teach.

`tools/bench_training.py` shows what that is worth.
"""

import keras

from tfctc.models.batchnorm import FusedBatchNormalization
from tfctc.models.convolution import MatmulConv2D


def fast(model: keras.Model) -> keras.Model:
    """A newly initialised copy of `model` made of fast layers: same names, weights, shapes and settings."""

    def clone(layer):
        config = layer.get_config()
        if type(layer) is keras.layers.BatchNormalization:
            return FusedBatchNormalization.from_config(config)
        if type(layer) is keras.layers.Conv2D:
            return MatmulConv2D.from_config(config | {"idle_bias": layer.use_bias and _normalised(layer) is not None})
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=clone)


def stock(model: keras.Model, dtype: str = "float32") -> keras.Model:
    """A copy of `model` with its weights, not compiled, of stock Keras layers that compute in `dtype`."""
    kinds = {FusedBatchNormalization: keras.layers.BatchNormalization, MatmulConv2D: keras.layers.Conv2D}

    def clone(layer):
        return kinds.get(type(layer), type(layer)).from_config({**layer.get_config(), "dtype": dtype})

    # The plain functional model: `clone_model` would otherwise compile the copy as the original was.
    copy = keras.models.clone_model(keras.Model(model.input, model.output, name=model.name), clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def folded(model: keras.Model) -> keras.Model:
    """A copy of `model` for inference, BatchNorm multiplied into the convolutions: same answers, to rounding."""
    kernels = {layer.name: _normalised(layer) for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}
    kernels = {name: norm for name, norm in kernels.items() if norm is not None}
    gone = {norm.name for norm in kernels.values()}

    def clone(layer):
        if layer.name in gone:
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if layer.name in kernels:
            config |= {"use_bias": True} | ({"idle_bias": False} if isinstance(layer, MatmulConv2D) else {})
        return type(layer).from_config(config)

    def call(layer, *arguments, **options):
        # A call of BatchNorm carries options that nothing else takes.
        return layer(*arguments, **({} if layer.name in gone else options))

    copy = keras.models.clone_model(
        keras.Model(model.input, model.output, name=model.name), clone_function=clone, call_function=call
    )
    for layer in copy.layers:
        source = model.get_layer(layer.name)
        if layer.name in kernels:
            norm = kernels[layer.name]
            factor = norm.gamma / keras.ops.sqrt(norm.moving_variance + norm.epsilon)
            bias = source.bias if source.use_bias else 0.0
            layer.set_weights([source.kernel * factor, norm.beta + (bias - norm.moving_mean) * factor])
        elif layer.name not in gone:
            layer.set_weights(source.get_weights())
    copy.trainable = False
    return copy


def settle_biases(model: keras.Model) -> None:
    """Moves the biases that a fast `model` leaves out, of weights trained elsewhere, into the mean that follows.

    BatchNorm infers from ``x + bias - mean``, so that ``mean - bias`` and no bias give the same answer.
    """
    for layer in model.layers:
        if isinstance(layer, MatmulConv2D) and layer.idle_bias:
            mean = _normalised(layer).moving_mean
            mean.assign(mean - layer.bias)
            layer.bias.assign(0 * layer.bias)


def sole_reader(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The layer that alone reads what `layer` gives, if that is so."""
    readers = {node.operation for node in layer._outbound_nodes}
    return readers.pop() if len(readers) == 1 else None


def _normalised(layer: keras.layers.Layer) -> keras.layers.BatchNormalization | None:
    """The BatchNorm that alone reads what a linear `layer` gives, if that is so."""
    reader = sole_reader(layer) if layer.activation is keras.activations.linear else None
    return reader if isinstance(reader, keras.layers.BatchNormalization) else None
