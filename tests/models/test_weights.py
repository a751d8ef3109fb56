"""Initial weights: from files, from other networks, and their hash."""

import hashlib
from dataclasses import replace

import keras
import numpy as np
import pytest

from tfctc.config import ModelConfig
from tfctc.errors import ConfigError
from tfctc.models.backbones import BACKBONES, residual
from tfctc.models.backbones.compact import DEPTHS
from tfctc.models.classifier import with_taps
from tfctc.models.fast import to_stock
from tfctc.models.weights import check_source, copy_from_teacher, load_weights, weights_sha256

BOTH = ("brightfield", "dapi")


def test_stock_weights_answer_a_grey_image_as_the_same_image_in_rgb(network, stock_resnet50, images, tmp_path):
    path = tmp_path / "resnet50_notop.weights.h5"
    stock_resnet50.save_weights(path)
    ours = network("resnet50", change=True)
    load_weights(ours, str(path), BACKBONES["resnet50"])
    normalised = (images["brightfield"] - 0.16) / 0.02
    rgb = np.repeat(normalised * BACKBONES["resnet50"].published_std, 3, -1)
    theirs = stock_resnet50(rgb, training=False)
    found = with_taps(ours, ModelConfig(), {"stage4"})({"brightfield": images["brightfield"]}, training=False)["stage4"]
    np.testing.assert_allclose(found, theirs, rtol=1e-3, atol=1e-3 * float(np.abs(theirs).max()))


def test_weights_of_a_tfctc_model_are_taken_over_even_by_a_teacher(network, build, images, tmp_path):
    student = network("compact")
    to_stock(student).save(tmp_path / "student.keras")
    teacher = build(channels=BOTH, weights=str(tmp_path / "student.keras"))
    same = {"brightfield": (images["brightfield"] - 0.5) / 50 + 0.16}
    # Both channels carry the same normalised image: the shared-out first kernel must see it as the student does.
    same["dapi"] = (same["brightfield"] - 0.16) / 0.02 * 0.1 + 0.05
    np.testing.assert_allclose(teacher(same), student({"brightfield": same["brightfield"]}), rtol=1e-2, atol=1e-3)


def test_a_student_that_starts_as_its_teacher_predicts_as_the_teacher_without_dapi(network, build, rng, images):
    """Without DAPI is where every pixel has the mean of the channel."""
    student, teacher = network("compact", change=True), build(channels=BOTH)
    teacher.set_weights([w + rng.normal(0, 0.02, w.shape).astype(np.float32) for w in teacher.get_weights()])
    for layer in teacher.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(abs(layer.moving_variance) + 0.5)
    copy_from_teacher(student, teacher)
    blank = images | {"dapi": np.full((4, 32, 32, 1), 0.05, np.float32)}
    expected = teacher(blank, training=False)
    found = student({"brightfield": images["brightfield"]}, training=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(teacher(images, training=False) - expected).max() > 1e-3


def test_a_student_cannot_start_as_a_teacher_of_another_kind(network, build):
    student = network("compact", change=True)
    with pytest.raises(ConfigError, match="a teacher that reads dapi has no weights for brightfield; set distill.sta"):
        copy_from_teacher(student, build(channels=("dapi",)))
    x = keras.Input((32, 32, 1), name="brightfield")
    other = keras.Model({"brightfield": x}, residual.convolution(x, 3, 3, 1, "stem"))
    with pytest.raises(ConfigError, match="different networks; choose one backbone for both, or distill.start ="):
        copy_from_teacher(student, other)


def test_weights_of_another_network_are_refused_even_if_most_layers_fit(build, tmp_path):
    """A network that is the compact one but for the width of its last stage."""
    x = inputs = keras.Input((32, 32, 1))
    x = keras.layers.MaxPooling2D(2)(residual.convolution(x, 24, 3, 1, "stem"))
    x = residual.stages(x, (24, 48, 96, 144), DEPTHS)
    keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x)).save(tmp_path / "w.keras")
    message = "w.keras: does not fit this network: 6 layers differ, the first is stage4_block1_.*; choose the backbone"
    with pytest.raises(ConfigError, match=message):
        build(weights=str(tmp_path / "w.keras"))


@pytest.mark.parametrize("cut", [0, 0.5, 0.9])
def test_a_damaged_model_file_is_one_line(network, tmp_path, cut):
    path, model = tmp_path / "w.keras", network("compact")
    to_stock(model).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))] or b"not a zip")
    with pytest.raises(ConfigError, match="w.keras: cannot be loaded .*; copy the file again") as caught:
        load_weights(model, str(path), BACKBONES["compact"])
    assert len(str(caught.value)) < 500


def test_a_damaged_stock_file_is_one_line(network, tmp_path):
    """Loaded by Keras, as that of any published backbone is."""
    (tmp_path / "w.h5").write_bytes(b"not hdf5")
    model = network("compact")
    backbone = replace(BACKBONES["compact"], published=lambda weights: to_stock(model).load_weights(weights))
    with pytest.raises(ConfigError, match="w.h5: published weights cannot be loaded .*; give the path of this"):
        load_weights(model, str(tmp_path / "w.h5"), backbone)


@pytest.mark.parametrize(
    ("weights", "message"), [("nowhere.keras", "no such weights file"), ("imagenet", "no published weights exist")]
)
def test_weights_that_do_not_exist_are_refused(network, weights, message):
    with pytest.raises(ConfigError, match=message):
        load_weights(network("compact"), weights, BACKBONES["compact"])


def test_a_source_of_weights_is_a_name_or_a_file(tmp_path):
    (tmp_path / "w.h5").touch()
    for weights in ("none", "imagenet", str(tmp_path / "w.h5")):
        check_source(weights)
    with pytest.raises(ConfigError, match='none.h5: no such weights file; give a path, "imagenet" or "none"'):
        check_source(str(tmp_path / "none.h5"))


def test_the_hash_is_of_every_bit_of_the_weights(network):
    model = network("compact", change=True)
    digest = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
    assert weights_sha256(model) == digest
    bias = model.get_layer("logits").bias
    bias.assign(np.nextafter(bias.numpy(), np.float32(1)))
    assert weights_sha256(model) != digest
