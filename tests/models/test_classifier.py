"""Student and teacher networks."""

import keras
import numpy as np
import pytest

from tfctc.config import ModelConfig
from tfctc.errors import ConfigError, UnknownNameError
from tfctc.models.backbones import BACKBONES
from tfctc.models.classifier import build_classifier, probability, tapped
from tfctc.models.fast import stock

SIZE = (32, 32)
NORMALISATION = {"brightfield": (0.16, 0.02), "dapi": (0.05, 0.1)}
rng = np.random.default_rng(0)


def images(n=4, size=SIZE):
    return {name: rng.random((n, *size, 1), np.float32) for name in NORMALISATION}


def build(size=SIZE, name="classifier", **options):
    keras.utils.set_random_seed(0)
    return build_classifier(ModelConfig(**{"backbone": "compact", **options}), size, NORMALISATION, name)


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_every_backbone_maps_one_channel_to_two_logits_through_its_taps(backbone):
    config = ModelConfig(backbone=backbone)
    model = build_classifier(config, SIZE, NORMALISATION)
    assert list(model.input) == ["brightfield"]
    assert model.output.shape == (None, 2) and model.output.dtype == "float32"
    taps = list(BACKBONES[backbone].taps)
    shapes = {tap: x.shape for tap, x in tapped(model, config, {*taps, "embedding", "logits"}).output.items()}
    heights = [shapes[tap][1] for tap in taps]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == len(taps)
    assert shapes["embedding"] == (None, shapes[taps[-1]][-1])


def test_the_compact_backbone_stays_under_a_million_parameters():
    assert build().count_params() < 1_000_000


def test_resnet50_is_the_stock_one_by_name_and_shape():
    ours = {layer.name: layer for layer in build_classifier(ModelConfig(), SIZE, NORMALISATION).layers}
    stock = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    for layer in stock.layers:
        if layer.weights and layer.name != "conv1_conv":
            assert [w.shape for w in ours[layer.name].weights] == [w.shape for w in layer.weights]


def test_saving_and_loading_keeps_every_answer(tmp_path):
    model = build(channels=("brightfield", "dapi"))
    stock(model).save(tmp_path / "m.keras")
    x = images()
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), stock(model).predict(x, verbose=0))
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


def test_normalisation_is_inside():
    """Rescaling images and statistics together changes nothing."""
    x = images()["brightfield"]
    model = build()
    half = build_classifier(ModelConfig("compact"), SIZE, {"brightfield": (0.08, 0.01)})
    half.set_weights(model.get_weights())
    np.testing.assert_allclose(half({"brightfield": x / 2}), model({"brightfield": x}), rtol=1e-3, atol=1e-4)


def test_probability_is_the_softmax_of_the_second_logit():
    logits = np.array([[0.0, 0.0], [1.0, 3.0]], np.float32)
    np.testing.assert_allclose(probability(logits), [0.5, 1 / (1 + np.exp(-2))], rtol=1e-6)


def test_stock_weights_answer_a_grey_image_as_the_same_image_in_rgb(tmp_path):
    stock = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = tmp_path / "resnet50_notop.weights.h5"
    stock.save_weights(path)
    ours = build(backbone="resnet50", weights=str(path))
    x = images()["brightfield"]
    normalised = (x - 0.16) / 0.02
    theirs = stock(np.repeat(normalised * BACKBONES["resnet50"].published_std, 3, -1), training=False)
    found = tapped(ours, ModelConfig(), {"stage4"})({"brightfield": x}, training=False)["stage4"]
    np.testing.assert_allclose(found, theirs, rtol=1e-3, atol=1e-3 * float(np.abs(theirs).max()))


def test_weights_of_a_tfctc_model_are_taken_over_even_by_a_teacher(tmp_path):
    student = build(name="student")
    stock(student).save(tmp_path / "student.keras")
    teacher = build_classifier(
        ModelConfig("compact", ("brightfield", "dapi"), str(tmp_path / "student.keras")), SIZE, NORMALISATION
    )
    same = {"brightfield": (images()["brightfield"] - 0.5) / 50 + 0.16}
    # Both channels carry the same normalised image: the shared-out first kernel must see it as the student does.
    same["dapi"] = (same["brightfield"] - 0.16) / 0.02 * 0.1 + 0.05
    np.testing.assert_allclose(teacher(same), student({"brightfield": same["brightfield"]}), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "nowhere.h5"}, "no such weights file"),
        ({"weights": "nowhere.keras"}, "no such weights file"),
        ({"backbone": "resnet34", "weights": "imagenet"}, "no stock weights"),
        ({"backbone": "resnet50", "size": (16, 16)}, "32 px or more"),
    ],
)
def test_what_cannot_be_built_says_why(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


def test_weights_of_another_backbone_are_refused_even_if_some_layers_fit(tmp_path):
    stock(build(backbone="resnet50")).save(tmp_path / "w.keras")
    with pytest.raises(ConfigError, match="w.keras: holds no layer .* as this network has it .*; choose the backbone"):
        build(backbone="densenet121", weights=str(tmp_path / "w.keras"))


@pytest.mark.parametrize("cut", [0, 0.5, 0.9])
def test_a_damaged_model_file_is_one_line(tmp_path, cut):
    path = tmp_path / "w.keras"
    build().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))] or b"not a zip")
    with pytest.raises(ConfigError, match="w.keras: cannot be loaded .*; ") as caught:
        build(weights=str(path))
    assert len(str(caught.value)) < 500


def test_a_damaged_stock_file_is_one_line(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"not hdf5")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        build(backbone="resnet50", weights=str(tmp_path / "w.h5"))


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownNameError, match="compact, densenet121"):
        build(backbone="resnet51")
    with pytest.raises(ConfigError, match="stage1, stage2"):
        tapped(build(), ModelConfig("compact"), {"stage9"})
