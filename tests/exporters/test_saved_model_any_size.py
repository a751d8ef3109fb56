"""The SavedModel of a model whose images are cropped or padded: what its signatures take, and what they refuse."""

import io
import json
import struct
import subprocess
import sys
import zlib

import check_loader
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from tfctc.cells import DatasetFacts
from tfctc.exporters.saved_model import MOST_SIDE, checked, decode, write_saved_model
from tfctc.io.images import fit_to_facts, to_unit

FACTS = DatasetFacts("any-size", bit_depth=12, image_size=(24, 20), crop_or_pad=True)
SHAPES = [(30, 27), (9, 41), (1, 17), (17, 1), (1, 1), (24, 20), (23, 21)]


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def with_size(file, height, width):
    """The PNG file with another size in its header, whose checksum is right."""
    header = b"IHDR" + struct.pack(">2I", width, height) + file[24:29]
    return file[:12] + header + struct.pack(">I", zlib.crc32(header)) + file[33:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network that gives every pixel a weight of its own, so that no pixel may be elsewhere."""
    brightfield = keras.Input((*FACTS.image_size, 1), name="brightfield")
    logits = keras.layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(seed=1))
    model = keras.Model({"brightfield": brightfield}, logits(keras.layers.Flatten()(brightfield)))
    folder = tmp_path_factory.mktemp("any_size") / "saved"
    write_saved_model(model, FACTS, folder)
    np.save(folder / "kernel.npy", model.get_weights()[0].astype(np.float64))
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    """The oracle: NumPy's network on NumPy's pixels."""
    kernel = np.load(folder / "kernel.npy")

    def probability(pixels):
        logits = to_unit(fit_to_facts(pixels, FACTS), FACTS).ravel().astype(np.float64) @ kernel
        return 1 / (1 + np.exp(logits[0] - logits[1]))

    return lambda images: np.array([probability(pixels) for pixels in images])


@pytest.fixture(scope="module")
def served(folder):
    return tf.saved_model.load(str(folder)).signatures


def images_of(shape, count=3):
    return np.random.default_rng(0).integers(0, 4096, (count, *shape)).astype(np.uint16)


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_float_images_of_any_size_are_fitted_as_in_training(served, expected, shape, count):
    images = images_of(shape, count)
    found = served["serving_default"](brightfield=tf.constant(to_unit(images, FACTS)[..., np.newaxis]))["probability"]
    assert found.shape == (count,)
    np.testing.assert_allclose(found, expected(images), atol=1e-6)


def test_png_files_of_different_sizes_share_a_request(served, expected):
    images = [images_of(shape)[0] for shape in SHAPES]
    found = served["serving_bytes"](image_bytes=tf.constant([png(pixels) for pixels in images]))["probability"]
    assert np.ptp(found) > 0.1
    np.testing.assert_allclose(found, expected(images), atol=1e-6)
    assert served["serving_bytes"](image_bytes=tf.constant([], tf.string))["probability"].shape == (0,)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((2, 0, 5, 1)), "tfctc: an image without pixels"),
        (np.zeros((2, 5, 0, 1)), "tfctc: an image without pixels"),
        (np.zeros((0, 0, 0, 1)), "tfctc: an image without pixels"),
        (np.zeros((2, 30, 27, 3)), "tfctc: one grey channel expected"),
        (np.zeros((2, 24, 20, 0)), "tfctc: one grey channel expected"),
        (np.zeros((2, 30, 27)), "dimension"),
        (np.full((1, 30, 27, 1), 4095), "tfctc: numbers from 0 to 1 expected"),
        (np.full((1, 30, 27, 1), np.nan), "tfctc: numbers from 0 to 1 expected"),
        (np.pad(np.zeros((1, 24, 20, 1)), 9, constant_values=1.5)[9:10, :, :, 9:10], "numbers from 0 to 1 expected"),
    ],
    ids=["no rows", "no columns", "nothing", "colour", "no channel", "no axis", "counts", "NaN", "outside the crop"],
)
def test_float_images_of_another_kind_are_refused(served, bad, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serving_default"](brightfield=tf.constant(bad, tf.float32))


GREY = np.full((3, 3), 900, np.uint16)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(np.pad(np.zeros((24, 20), np.uint16), 9, constant_values=4096)), "a pixel is above 4095"),
        (png(GREY.astype(np.uint8)), "16-bit PNG expected"),
        (with_size(png(GREY), 0, 3), "PNG"),
        (with_size(png(GREY), MOST_SIDE, MOST_SIDE), "PNG"),
        (with_size(png(GREY), MOST_SIDE + 1, 1), f"sides of {MOST_SIDE} px at most expected"),
        (with_size(png(GREY), 1, MOST_SIDE + 1), f"sides of {MOST_SIDE} px at most expected"),
        (with_size(png(GREY), 2**31 - 1, 2**31 - 1), f"sides of {MOST_SIDE} px at most expected"),
        (with_size(png(GREY), 2**24, 1), f"sides of {MOST_SIDE} px at most expected"),
    ],
    ids=["above outside the crop", "8 bit", "no rows", "cut", "high", "wide", "largest", "third byte"],
)
def test_png_files_of_another_kind_are_refused(served, data, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serving_bytes"](image_bytes=tf.constant([png(GREY), data]))


def test_an_image_of_the_largest_sides_is_taken(served, expected):
    images = [images_of((MOST_SIDE, 3))[0], images_of((3, MOST_SIDE))[0]]
    found = served["serving_bytes"](image_bytes=tf.constant([png(pixels) for pixels in images]))["probability"]
    np.testing.assert_allclose(found, expected(images), atol=1e-6)


def test_the_c_loader_of_tensorflow_serving_takes_any_size(folder, expected, tmp_path):
    images = images_of((9, 41))
    np.save(tmp_path / "images.npy", to_unit(images, FACTS)[..., np.newaxis])
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signature = model.meta_graphs[0].signature_def["serving_default"]
    names = signature.inputs["brightfield"].name, signature.outputs["probability"].name
    arguments = [sys.executable, check_loader.LOADER, folder, *names, tmp_path / "images.npy", tmp_path / "out.json"]
    subprocess.run(arguments, check=True)
    found = json.loads((tmp_path / "out.json").read_text())["probability"]
    np.testing.assert_allclose(found, expected(images), atol=1e-6)


def test_an_image_of_the_networks_size_is_left_as_it_is():
    image = to_unit(images_of(FACTS.image_size)[:1], FACTS)[..., np.newaxis]
    np.testing.assert_array_equal(checked(tf.constant(image), FACTS), image)
    fixed = decode(tf.constant(png(GREY)), FACTS)
    assert fixed.shape == (24, 20, 1) and np.unique(fixed).size == 1
