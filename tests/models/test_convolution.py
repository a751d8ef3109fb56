"""Convolutions as matrix products against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfctc.models.convolution import MatmulConv2D


def learn(layer, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
    return y, tape.gradient(loss, [x, *layer.trainable_variables])


def pair(shape, dtype="float32", **options):
    rng = np.random.default_rng(0)
    layers = [kind(5, dtype=dtype, **options) for kind in (keras.layers.Conv2D, MatmulConv2D)]
    x = tf.constant(rng.standard_normal(shape), tf.float32)
    for layer in layers:
        layer.build(shape)
    weights = [rng.standard_normal(w.shape) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return *layers, x


@pytest.mark.parametrize(
    ("size", "options", "spelled_out"),
    [
        ((8, 7), {"kernel_size": 1}, True),
        ((6, 5), {"kernel_size": 1, "strides": 2}, True),
        ((8, 7), {"kernel_size": 1, "strides": 2}, False),
        ((3, 2), {"kernel_size": 3, "padding": "same"}, True),
        ((2, 2), {"kernel_size": 3, "padding": "same", "use_bias": False, "activation": "relu"}, True),
        ((4, 3), {"kernel_size": 3, "padding": "same"}, False),
        ((3, 3), {"kernel_size": 3, "padding": "valid"}, False),
        ((3, 3), {"kernel_size": 3, "padding": "same", "strides": 2}, False),
        ((3, 3), {"kernel_size": 3, "padding": "same", "dilation_rate": 2}, False),
        ((3, 3), {"kernel_size": 1, "groups": 1, "strides": (1, 2)}, True),
    ],
)
def test_output_and_gradients_are_those_of_keras(size, options, spelled_out):
    plain, quick, x = pair((4, *size, 3), **options)
    assert (quick._taps(x) is not None) == spelled_out
    (y, gradients), (quick_y, quick_gradients) = learn(plain, x), learn(quick, x)
    np.testing.assert_allclose(quick_y, y, rtol=1e-4, atol=1e-4)
    for a, b in zip(quick_gradients, gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_an_unknown_size_is_left_to_keras():
    layer = MatmulConv2D(5, 3, padding="same")
    model = keras.Sequential([keras.Input((None, None, 3)), layer])
    assert model(np.zeros((1, 2, 2, 3), np.float32)).shape == (1, 2, 2, 5)


def test_mixed_precision_computes_in_sixteen_bits():
    plain, quick, x = pair((4, 6, 6, 3), "mixed_bfloat16", kernel_size=1)
    y, quick_y = plain(x), quick(x)
    assert quick_y.dtype == y.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(quick_y, tf.float32), tf.cast(y, tf.float32), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("idle_bias", [False, True])
@pytest.mark.parametrize("way", ["file", "config"])
def test_saving_keeps_the_layer_and_its_outputs(tmp_path, rng, way, idle_bias):
    layer = MatmulConv2D(5, 3, padding="same", idle_bias=idle_bias, bias_initializer="ones", name="fast")
    model = keras.Sequential([keras.Input((3, 3, 2)), layer])
    if way == "file":
        model.save(tmp_path / "m.keras")
        again = keras.saving.load_model(tmp_path / "m.keras")
    else:
        again = keras.Sequential.from_config(model.get_config())
        again.set_weights(model.get_weights())
    loaded = again.get_layer("fast")
    assert type(loaded) is MatmulConv2D and loaded.get_config() == layer.get_config()
    assert loaded.idle_bias == idle_bias and loaded.bias.trainable != idle_bias
    x = rng.standard_normal((4, 3, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(again(x), model(x))
    # A bias that is idle is not added: the kernel alone says what comes out.
    plain = keras.ops.conv(x, layer.kernel, padding="same") + (0 if idle_bias else 1)
    np.testing.assert_allclose(again(x), plain, rtol=1e-4, atol=1e-5)
