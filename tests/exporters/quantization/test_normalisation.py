"""The division by the pixels' deviation moves into the first convolution, on a network that pads as ResNet50 does."""

import keras
import numpy as np
import pytest

from tfctc.exporters.litert import convert
from tfctc.exporters.quantization.normalisation import fold_normalisation
from tfctc.exporters.quantization.tensor_errors import tensor_errors

MEAN, DEVIATION = 0.35, 0.02


def network(size, *between):
    image = keras.Input((*size, 1), name="brightfield")
    x = keras.layers.Normalization(axis=None, mean=MEAN, variance=DEVIATION**2, name="normalise")(image)
    for layer in between:
        x = layer(x)
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False, name="conv")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model({"brightfield": image}, keras.layers.Dense(2, name="logits")(x))


@pytest.fixture
def padded(facts):
    keras.utils.set_random_seed(1)
    return network(facts.image_size, keras.layers.ZeroPadding2D(1))


def test_the_logits_stay_and_the_kernel_holds_the_division(padded, images):
    copy = fold_normalisation(padded)
    x = {"brightfield": images}
    np.testing.assert_allclose(copy(x), padded(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        copy.get_layer("conv").kernel, padded.get_layer("conv").kernel.numpy() / DEVIATION, rtol=1e-6
    )
    np.testing.assert_allclose(copy.get_layer("normalise")(images), images - MEAN, atol=1e-6)


def test_eight_bits_hold_the_difference_from_the_mean(padded, facts, images):
    """Left to TFLite, its error would be at a few decibels."""
    errors = tensor_errors(convert(padded, facts, "none"), convert(padded, facts, "int8", images), images[:8])
    assert next(error.decibels for error in errors if "normalise" in error.name) > 25


def test_a_network_without_a_convolution_behind_the_normalisation_stays(facts, images):
    other = network(facts.image_size, keras.layers.Rescaling(2.0, offset=1.0))
    assert fold_normalisation(other) is other
