"""Fused BatchNorm against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfctc.models.batchnorm import FusedBatchNormalization


def layers(dtype="float32"):
    """The two, with the same made-up weights, and an input ``(6, 5, 4, 3)`` far from zero mean and unit variance."""
    rng, pair = np.random.default_rng(0), []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer = kind(momentum=0.7, epsilon=1e-3, dtype=dtype)
        layer.build((None, 5, 4, 3))
        pair.append(layer)
    weights = [rng.uniform(0.5, 2, w.shape) for w in pair[0].get_weights()]
    for layer in pair:
        layer.set_weights(weights)
    return *pair, tf.constant(3 + 2 * rng.standard_normal((6, 5, 4, 3)), tf.float32)


def learn(layer, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 3)
    return y, tape.gradient(loss, [x, *layer.trainable_variables])


def test_output_gradients_and_moving_statistics_are_those_of_keras():
    plain, quick, x = layers()
    (y, gradients), (quick_y, quick_gradients) = learn(plain, x), learn(quick, x)
    np.testing.assert_allclose(quick_y, y, atol=1e-5)
    for a, b in zip(quick_gradients, gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    for a, b in zip(quick.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("training", [False, None])
def test_inference_is_keras_own_to_the_last_bit(training):
    plain, quick, x = layers()
    np.testing.assert_array_equal(quick(x, training=training), plain(x, training=training))


def test_a_frozen_layer_infers_and_keeps_its_statistics():
    plain, quick, x = layers()
    quick.trainable = plain.trainable = False
    before = quick.get_weights()
    np.testing.assert_array_equal(quick(x, training=True), plain(x, training=True))
    for a, b in zip(quick.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_mixed_precision():
    plain, quick, x = layers("mixed_float16")
    y, quick_y = plain(x, training=True), quick(x, training=True)
    assert quick_y.dtype == y.dtype == tf.float16
    np.testing.assert_allclose(quick_y, y, atol=1e-2)


def test_saving_keeps_the_layer_and_its_outputs(tmp_path, rng):
    """Outputs of training too, and the statistics that it leaves."""
    model = keras.Sequential([keras.Input((5, 4, 3)), FusedBatchNormalization(momentum=0.7, epsilon=1e-2, name="fast")])
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    layer = again.get_layer("fast")
    assert type(layer) is FusedBatchNormalization and layer.get_config() == model.get_layer("fast").get_config()
    x = rng.standard_normal((6, 5, 4, 3)).astype(np.float32)
    for training in (False, True, False):
        np.testing.assert_array_equal(again(x, training=training), model(x, training=training))
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
