"""Where integers cost accuracy, on a network that is made to lose it in a known place."""

import keras
import numpy as np
import pytest

from tfctc.errors import ExportError
from tfctc.export.layers import fewest_real, layers, reach, tensor_errors
from tfctc.export.litert import convert
from tfctc.runtime import load


@pytest.fixture(scope="module")
def float32(model, facts):
    return convert(model, facts, "none")


def answers(flatbuffer, images):
    run = load(flatbuffer)
    return np.concatenate([run(image[np.newaxis]) for image in images])


def test_layers_come_in_order_from_image_to_probability(float32):
    names = layers(float32)
    places = [
        next(i for i, name in enumerate(names) if word in name) for word in ("normalise", "stem", "embedding", "logits")
    ]
    assert places == sorted(places) and len(set(names)) == len(names)


def test_errors_are_those_of_one_tensor_held_against_the_other(model, facts, float32, images):
    """The last one is the probability: its error is that of the answers."""
    int8 = convert(model, facts, "int8", images[::2])
    errors = tensor_errors(float32, int8, images[:20])
    assert [error.name for error in errors] == [name for name in layers(float32) if name in {e.name for e in errors}]
    expected, found = answers(float32, images[:20]), answers(int8, images[:20])
    decibels = 10 * np.log10((expected**2).sum() / ((found - expected) ** 2).sum())
    assert errors[-1].decibels == pytest.approx(decibels, abs=0.01)


def test_what_a_spoilt_range_costs_is_seen_where_it_costs(model, facts, images):
    """One channel at the end a thousand times the others, and of no account: eight bits see nothing else."""

    def errors(beyond):
        spoilt = keras.models.clone_model(model)
        spoilt.set_weights(model.get_weights())
        kernel, bias = spoilt.get_layer("logits").get_weights()
        kernel[0] = 0
        spoilt.get_layer("logits").set_weights([kernel, bias])
        last = [layer for layer in spoilt.layers if layer.name.endswith("2_bn")][-1]
        last.beta.assign(np.r_[last.beta.numpy()[:1] + beyond, last.beta.numpy()[1:]])
        return tensor_errors(convert(spoilt, facts, "none"), convert(spoilt, facts, "int8", images), images[:8])

    lost = {b.name: b.decibels - a.decibels for b, a in zip(errors(0.0), errors(1e3), strict=True)}
    assert next(value for name, value in lost.items() if "logits" in name) > 15
    assert all(abs(value) < 1 for name, value in lost.items() if "stage1" in name or "stem" in name)


def test_reach_is_each_images_own_in_every_tensor(model, float32, images):
    found = reach(float32, images[:5])
    mean = np.array(model.get_layer("normalise_brightfield").mean)
    np.testing.assert_allclose(found[:, 0], np.abs(images[:5] - mean).max(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(found[:, -1], answers(float32, images[:5]), rtol=1e-5)


def test_one_image_far_off_spoils_no_other(model, facts, float32, images):
    """A flash: every tensor of it reaches far beyond those of a cell."""
    flash = np.ones_like(images[:1])
    errors = [tensor_errors(float32, convert(model, facts, "int8", c), images) for c in (images, [*images, *flash])]
    assert errors[0] == errors[1]


def test_mixed_is_nearer_and_as_near_as_asked(model, facts, float32, images):
    calibration = images[::2]
    mixed = convert(model, facts, "mixed", calibration)
    far = np.abs(
        answers(convert(model, facts, "int8", calibration), calibration) - answers(float32, calibration)
    ).mean()
    near = np.abs(answers(mixed, calibration) - answers(float32, calibration)).mean()
    assert near <= 0.005 and near < far and len(mixed) < 0.6 * len(float32)


def test_no_more_layers_stay_real_than_are_wanted(float32, images):
    asked = []

    def converted(names):
        asked.append(names)
        return float32

    assert fewest_real(float32, converted, images[:2], 0.0) is float32
    assert asked == [layers(float32)[:2]]
    with pytest.raises(
        ExportError, match="integers differ .* layers real, at most -1 wanted; choose --quantize float16"
    ):
        fewest_real(float32, converted, images[:2], -1.0)
    half = len(layers(float32)) // 2
    assert [len(names) for names in asked] == [2, *(n for n in (2, 4, 8, 16) if n < half), half]
