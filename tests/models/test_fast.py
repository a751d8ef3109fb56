"""Fast layers and stock ones: the same network, whichever way."""

import json
import zipfile

import keras
import numpy as np
import pytest

from tfctc.models.backbones import BACKBONES
from tfctc.models.batchnorm import FusedBatchNormalization
from tfctc.models.convolution import MatmulConv2D
from tfctc.models.fast import batchnorm_after, fold_batchnorm, move_biases, only_consumer, to_fast, to_stock


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_what_is_saved_is_plain_keras_in_float32_with_the_same_weights(build, tmp_path, policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        trained = build()
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert {FusedBatchNormalization, MatmulConv2D} <= {type(layer) for layer in trained.layers}
    trained.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    saved = to_stock(trained)
    assert not saved.compiled and {layer.compute_dtype for layer in saved.layers} == {"float32"}
    saved.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = archive.read("config.json").decode()
    assert "tfctc" not in config and json.loads(config)["class_name"] == "Functional"
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(loaded.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def settings(layer):
    """The configuration, without that of the fast layers alone and the dtype, which Keras writes in two ways."""
    config = {**layer.get_config(), "dtype": 0}
    assert not config.pop("idle_bias", False), "the convolutions of the compact network have no bias"
    return config


def test_a_fast_copy_keeps_names_shapes_and_settings(network):
    model = to_stock(network("compact"))
    quick = to_fast(model)
    assert {FusedBatchNormalization, MatmulConv2D} <= {type(layer) for layer in quick.layers}
    assert [layer.name for layer in quick.layers] == [layer.name for layer in model.layers]
    assert [w.shape for w in quick.weights] == [w.shape for w in model.weights]
    for a, b in zip(quick.layers, model.layers, strict=True):
        assert settings(a) == settings(b)


def small():
    """A convolution whose bias BatchNorm follows, and one whose bias is read."""
    x = inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 1, name="idle")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="read")(x))


def test_a_bias_before_batchnorm_is_moved_and_never_trained():
    rng = np.random.default_rng(1)
    model = small()
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.weights])
    quick = to_fast(model)
    quick.set_weights(model.get_weights())
    move_biases(quick)
    assert not np.any(quick.get_layer("idle").bias) and np.all(quick.get_layer("read").bias)
    assert {v.name for v in quick.get_layer("read").trainable_variables} == {"kernel", "bias"}
    assert {v.name for v in quick.get_layer("idle").trainable_variables} == {"kernel"}
    x = rng.standard_normal((5, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(quick(x, training=False), model(x, training=False), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_stock(quick)(x, training=False), model(x, training=False), rtol=1e-4, atol=1e-5)


def test_a_training_step_moves_a_fast_network_as_it_moves_the_stock_one():
    """One step of plain gradient descent; the bias before BatchNorm has no gradient to speak of."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((8, 6, 6, 3)).astype(np.float32), rng.standard_normal((8, 6, 6, 2)).astype(np.float32)
    model = small()
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.weights])
    quick = to_fast(model)
    quick.set_weights(model.get_weights())
    move_biases(quick)
    for m in (model, quick):
        m.compile(keras.optimizers.SGD(0.01), "mse")
        m.train_on_batch(x, y)
    for name in ("idle", "norm", "read"):
        ours, theirs = quick.get_layer(name).get_weights(), model.get_layer(name).get_weights()
        if name == "idle":
            ours, theirs = ours[:1], theirs[:1]
        if name == "norm":
            # The moving mean lacks the moved bias, in which the momentum has no part.
            bias = model.get_layer("idle").get_weights()[1]
            ours[2] = ours[2] + bias
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_the_reader_of_a_layer_is_the_only_one():
    x = inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 1, name="forks")(x)
    y = keras.layers.BatchNormalization(name="left")(x)
    z = keras.layers.Conv2D(4, 1, activation="relu", name="bent")(keras.layers.Add(name="right")([x, y]))
    z = keras.layers.Conv2D(4, 1, name="read")(keras.layers.BatchNormalization(name="after")(z))
    model = keras.Model(inputs, keras.layers.BatchNormalization(name="last")(z))
    layers = {layer.name: layer for layer in model.layers}
    readers = {name: only_consumer(model, layer) for name, layer in layers.items()}
    assert readers["forks"] is None and readers["last"] is None and readers["left"] is layers["right"]
    assert readers["bent"] is layers["after"] and readers["read"] is layers["last"]
    norms = {name: batchnorm_after(model, layers[name]) for name in ("forks", "bent", "read")}
    assert norms == {"forks": None, "bent": None, "read": layers["last"]}, "a bent output is no longer linear"


@pytest.mark.parametrize("backbone", ["compact", "resnet50", "densenet121"])
def test_a_folded_network_predicts_alike_at_every_layer_that_it_keeps(network, rng, backbone):
    model = network(backbone, change=True)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    x = {"brightfield": rng.uniform(size=(2, 32, 32, 1)).astype(np.float32)}
    quick = fold_batchnorm(model)
    norms = [sum(isinstance(layer, keras.layers.BatchNormalization) for layer in m.layers) for m in (model, quick)]
    assert norms[1] < norms[0] and not quick.trainable_variables
    taps = BACKBONES[backbone].taps.items()
    found, expected = (
        keras.Model(m.input, {tap: m.get_layer(name).output for tap, name in taps})(x, training=False)
        for m in (quick, model)
    )
    for tap, theirs in expected.items():
        np.testing.assert_allclose(found[tap], theirs, rtol=1e-3, atol=1e-4 * float(np.abs(theirs).max()))
