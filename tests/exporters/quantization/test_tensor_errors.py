"""Places where integers cost accuracy, on networks that are made to lose it in a known place."""

import keras
import numpy as np
import pytest
from scipy.special import logit
from small_models import fit_without_steps

from tfctc.errors import ExportError
from tfctc.exporters.litert import MIXED_BOUND, convert
from tfctc.exporters.quantization.tensor_errors import (
    convert_mixed,
    input_levels,
    largest_values,
    output_tensors,
    tensor_errors,
)
from tfctc.runtime import load_network


def predict(flatbuffer, images):
    run = load_network(flatbuffer)
    return np.concatenate([run(image[np.newaxis]) for image in images])


@pytest.fixture(scope="module")
def small(images):
    """A network of four convolutions, quick to convert. The first channel of its embedding is not used."""
    keras.utils.set_random_seed(1)
    image = keras.Input(images.shape[1:], name="brightfield")
    x = keras.layers.Normalization(axis=None, mean=0.35, variance=0.01, name="normalise")(image)
    for name, width in (("stem", 8), ("middle", 16), ("late", 32), ("last", 96)):
        x = keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, name=name)(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(keras.layers.BatchNormalization(name=f"{name}_bn")(x))
    x = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    model = keras.Model({"brightfield": image}, keras.layers.Dense(2, name="logits")(x))
    fit_without_steps(model, images, np.arange(len(images)) >= len(images) // 2)
    kernel, bias = model.get_layer("logits").get_weights()
    kernel[0] = 0
    model.get_layer("logits").set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def small_networks(small, facts, images):
    """`small` as float32 and as int8."""
    return convert(small, facts, "none"), convert(small, facts, "int8", images)


def spoilt(model, name, reader):
    """A copy in which the first channel of one layer is far larger than the others, and read by none."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel = copy.get_layer(reader).kernel
    weights = kernel.numpy()
    weights[..., 0, :] = 0
    kernel.assign(weights)
    beta = copy.get_layer(f"{name}_bn").beta
    beta.assign(beta.numpy() + np.r_[1e3, np.zeros(beta.shape[0] - 1)])
    return copy


def test_layers_come_in_order_from_image_to_probability(flatbuffers):
    names = output_tensors(flatbuffers["none"])
    places = [
        next(i for i, name in enumerate(names) if word in name) for word in ("normalise", "stem", "embedding", "logits")
    ]
    assert places == sorted(places) and len(set(names)) == len(names)


def test_an_error_is_that_of_one_integer_tensor(flatbuffers, images):
    """The last one is the log-odds, from which the probability is computed in float32."""
    float32, int8 = flatbuffers["none"], flatbuffers["int8"]
    errors = tensor_errors(float32, int8, images[:20])
    named = {error.name for error in errors}
    assert [error.name for error in errors] == [name for name in output_tensors(float32) if name in named]
    expected, found = logit(predict(float32, images[:20])), logit(predict(int8, images[:20]))
    decibels = 10 * np.log10((expected**2).sum() / ((found - expected) ** 2).sum())
    assert errors[-1].decibels == pytest.approx(decibels, abs=0.01)


def test_a_spoilt_range_costs_decibels_in_its_own_layer_alone(small, small_networks, facts, images):
    """Eight bits see nothing but the channel that is far larger than the others."""
    bad = spoilt(small, "last", "logits")
    bad_networks = convert(bad, facts, "none"), convert(bad, facts, "int8", images)
    good, bad = (tensor_errors(*networks, images[:8]) for networks in (small_networks, bad_networks))
    lost = {b.name: b.decibels - a.decibels for b, a in zip(good, bad, strict=True)}
    assert next(value for name, value in lost.items() if "logits" in name) > 15
    early = [value for name, value in lost.items() if "stem" in name or "middle" in name]
    assert len(early) >= 2 and all(abs(value) < 1 for value in early)


def test_largest_values_are_each_images_own_in_every_tensor(model, flatbuffers, images):
    float32 = flatbuffers["none"]
    found = largest_values(float32, images[:5])
    mean = np.array(model.get_layer("normalise_brightfield").mean)
    np.testing.assert_allclose(found[:, 0], np.abs(images[:5] - mean).max(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(found[:, -1], predict(float32, images[:5]), rtol=1e-5)


def test_one_image_far_off_spoils_no_other(small, small_networks, facts, images):
    """A flash: every tensor of it has far larger values than those of a cell."""
    flash = np.ones_like(images[:1])
    with_flash = convert(small, facts, "int8", [*images, *flash])
    found = [tensor_errors(small_networks[0], int8, images) for int8 in (small_networks[1], with_flash)]
    assert found[0] == found[1]


def test_mixed_is_as_near_as_asked_and_smaller_than_float32(flatbuffers, images):
    calibration = images[::2]
    difference = np.abs(predict(flatbuffers["mixed"], calibration) - predict(flatbuffers["none"], calibration))
    assert difference.mean() <= MIXED_BOUND == 0.005
    assert len(flatbuffers["mixed"]) < 0.6 * len(flatbuffers["none"])


def test_mixed_is_far_nearer_than_int8_where_the_first_layers_lose_the_image(small, facts, images):
    """Integers see nothing of the image behind the stem; the layers up to the one that reads it stay in float32."""
    bad = fit_without_steps(spoilt(small, "stem", "middle"), images, np.arange(len(images)) >= len(images) // 2)
    float32, int8, mixed = (convert(bad, facts, kind, images) for kind in ("none", "int8", "mixed"))
    expected = predict(float32, images)
    far, near = (np.abs(predict(network, images) - expected).mean() for network in (int8, mixed))
    assert far > 10 * MIXED_BOUND and near <= MIXED_BOUND and len(mixed) < 0.6 * len(float32)


def test_no_more_layers_stay_float32_than_needed(flatbuffers, images):
    float32, asked = flatbuffers["none"], []

    def converted(names):
        asked.append(names)
        return float32

    assert convert_mixed(float32, converted, images[:2], 0.0) is float32
    assert asked == [output_tensors(float32)[:2]]
    with pytest.raises(
        ExportError, match="integers differ .* layers in float32, at most -1 wanted; choose --quantize float16"
    ):
        convert_mixed(float32, converted, images[:2], -1.0)
    half = len(output_tensors(float32)) // 2
    assert [len(names) for names in asked] == [2, *(n for n in (2, 4, 8, 16) if n < half), half]


def test_one_very_bright_image_leaves_few_integers_to_the_others(small, facts, images):
    dim = 0.1 * images
    few = [convert(small, facts, "int8", given) for given in (dim, np.concatenate([dim, 10 * dim]))]
    fine, coarse = (input_levels(flatbuffer, dim) for flatbuffer in few)
    assert coarse < fine / 3
