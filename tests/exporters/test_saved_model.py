"""The SavedModel that a server loads."""

import io
import sys
from types import SimpleNamespace

import check_loader
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfctc.cells import DatasetFacts
from tfctc.exporters.saved_model import decode
from tfctc.inference.verify import reference


def png(pixels, mode=None):
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def served(version):
    return tf.saved_model.load(str(version)).signatures


def test_serving_default_predicts_as_keras_for_any_batch(served, images, keras_probability):
    serve = served["serving_default"]
    for part in (slice(0, 1), slice(0, 7)):
        found = serve(brightfield=tf.constant(images[part]))
        assert list(found) == ["probability"] and found["probability"].dtype == tf.float32
        np.testing.assert_allclose(found["probability"], keras_probability[part], atol=1e-5)


def test_serving_default_takes_the_ends_of_the_range(served, images):
    ends = np.zeros_like(images[:2])
    ends[1] = 1
    assert np.isfinite(served["serving_default"](brightfield=tf.constant(ends))["probability"]).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda good: good * 4095, r"numbers from 0 to 1 expected"),
        (lambda good: good - 1, r"numbers from 0 to 1 expected"),
        (lambda good: np.where(good == good.max(), np.nan, good), r"numbers from 0 to 1 expected"),
        (lambda good: good[:, :16, :16], "24 x 20 px expected"),
        (lambda good: np.swapaxes(good, 1, 2), "24 x 20 px expected"),
    ],
    ids=["raw counts", "below zero", "not a number", "too small", "turned"],
)
def test_serving_default_refuses_images_of_another_kind(served, images, spoil, message):
    bad = tf.constant(spoil(images[:2]), tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serving_default"](brightfield=bad)


def test_serving_bytes_predicts_as_keras_for_png_files(served, counts, keras_probability):
    files = [png(c[..., 0]) for c in counts[:5]]
    found = served["serving_bytes"](image_bytes=tf.constant(files))["probability"]
    np.testing.assert_allclose(found, keras_probability[:5], atol=1e-5)


@pytest.mark.parametrize("bit_depth", [8, 12, 16])
def test_every_pixel_value_becomes_its_share_of_the_full_scale(bit_depth):
    facts = DatasetFacts("all-values", bit_depth=bit_depth, image_size=(2 ** (bit_depth - 4), 16))
    pixels = np.arange(2**bit_depth).reshape(facts.image_size).astype(facts.dtype)
    found = tf.function(decode)(tf.constant(png(pixels)), facts)
    assert found.shape == (*facts.image_size, 1) and found.dtype == tf.float32
    # To the last bit or the one before: TensorFlow multiplies with the reciprocal.
    np.testing.assert_array_max_ulp(found[..., 0].numpy(), (pixels / (2**bit_depth - 1)).astype(np.float32), 2)


GREY = np.full((24, 20), 900, np.uint16)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(GREY.astype(np.uint8)), "16-bit PNG expected"),
        (png(np.zeros((24, 20, 3), np.uint8)), "one grey channel expected"),
        (png(GREY.T.copy()), "24 x 20 px expected"),
        (png(GREY * 5), "a pixel is above 4095"),
        (b"", "not a PNG file"),
        (b"\xff\xd8\xff\xe0" + bytes(60), "not a PNG file"),
        (png(GREY)[:20], "not a PNG file"),
        (png(np.random.default_rng(0).integers(0, 4096, (24, 20)).astype(np.uint16))[:300], "PNG"),
    ],
    ids=["8 bit", "colour", "turned", "too bright", "empty", "jpeg", "header cut", "body cut"],
)
def test_serving_bytes_refuses_files_of_another_kind(served, data, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serving_bytes"](image_bytes=tf.constant([png(GREY), data]))


def test_each_weight_is_stored_once(version, model):
    stored = sum(path.stat().st_size for path in version.glob("variables/variables.data*"))
    weights = sum(w.nbytes for w in model.get_weights())
    assert weights <= stored < 1.05 * weights


def test_the_c_loader_of_tensorflow_serving_runs_it(version):
    """Only TensorFlow's shared library reads the SavedModel in that process: it needs neither Python nor Keras."""
    found = check_loader.check(SimpleNamespace(version=version, python=sys.executable))
    assert found["tensorflow"].startswith(tf.__version__)
    assert found["cells"] == len(reference(version)[1]) and found["max_abs"] < 1e-5
