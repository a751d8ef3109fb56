"""Student and teacher networks, of every backbone."""

import keras
import numpy as np
import pytest
from scipy.special import logit, softmax

from tfctc.config import ModelConfig
from tfctc.errors import ConfigError, UnknownNameError
from tfctc.models.backbones import BACKBONES
from tfctc.models.classifier import build_classifier, log_odds, outputs, probability, with_taps
from tfctc.models.fast import to_stock

#: Layers of the ResNet50: the shortcut of a block, and the block's output. The first block of a stage projects it.
RESIDUAL = ("conv2_block1_0_bn", "conv2_block1_out", "conv4_block1_out", "conv4_block2_out")


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_every_backbone_maps_one_channel_to_two_logits_through_its_taps(network, backbone):
    model = network(backbone)
    assert list(model.input) == ["brightfield"]
    assert model.output.shape == (None, 2) and model.output.dtype == "float32"
    taps = list(BACKBONES[backbone].taps)
    tensors = with_taps(model, ModelConfig(backbone), {*taps, "embedding", "logits"}).output
    shapes = {tap: tensor.shape for tap, tensor in tensors.items()}
    heights = [shapes[tap][1] for tap in taps]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == len(taps)
    assert shapes["embedding"] == (None, shapes[taps[-1]][-1]) and shapes["logits"] == (None, 2)


def test_the_compact_backbone_stays_under_a_million_parameters(network):
    assert network("compact").count_params() < 1_000_000


def test_resnet50_is_the_stock_one_by_name_and_shape(network, stock_resnet50):
    ours = {layer.name: layer for layer in network("resnet50").layers}
    for layer in stock_resnet50.layers:
        if layer.weights and layer.name != "conv1_conv":
            assert [w.shape for w in ours[layer.name].weights] == [w.shape for w in layer.weights]


def test_every_block_of_a_new_resnet50_adds_nothing_yet(network, images):
    """So its output is the ReLU of its shortcut, whatever the weights of the block are."""
    tapped = keras.Model(
        network("resnet50").input, {name: network("resnet50").get_layer(name).output for name in RESIDUAL}
    )
    found = tapped({"brightfield": images["brightfield"]}, training=True)
    for shortcut, output in zip(RESIDUAL[::2], RESIDUAL[1::2], strict=True):
        np.testing.assert_allclose(found[output], np.maximum(found[shortcut], 0), rtol=1e-5, atol=1e-5)
        assert np.ptp(found[output]) > 0


def test_saving_and_loading_keeps_every_prediction(build, images, tmp_path):
    model = build(channels=("brightfield", "dapi"))
    saved = to_stock(model)
    saved.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    found = again(images, training=False)
    np.testing.assert_array_equal(found, saved(images, training=False))
    np.testing.assert_allclose(found, model(images, training=False), rtol=1e-5)


def test_normalisation_is_inside(network, build, images):
    """Rescaling images and statistics together changes nothing."""
    x = images["brightfield"]
    model, half = network("compact"), build(normalisation={"brightfield": (0.08, 0.01)})
    half.set_weights(model.get_weights())
    np.testing.assert_allclose(half({"brightfield": x / 2}), model({"brightfield": x}), rtol=1e-3, atol=1e-4)


def test_the_momentum_of_batchnorm_is_that_of_the_configuration(build, network):
    """None keeps Keras's own."""
    for model, expected in ((network("compact"), 0.9), (build(batchnorm_momentum=None), 0.99)):
        norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert norms and {norm.momentum for norm in norms} == {expected}


def test_dropout_stands_before_the_logits_where_there_is_any(build, network):
    assert [layer.rate for layer in build(dropout=0.3).layers if layer.name == "dropout"] == [0.3]
    assert "dropout" not in [layer.name for layer in network("compact").layers]


def test_probability_is_the_softmax_of_the_second_logit():
    logits = np.array([[0.0, 0.0], [1.0, 3.0]], np.float32)
    np.testing.assert_allclose(probability(logits), [0.5, 1 / (1 + np.exp(-2))], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "nowhere.h5"}, "no such weights file"),
        ({"backbone": "resnet50", "size": (16, 40)}, r"32 px or more, got \(16, 40\); choose the compact backbone"),
        ({"backbone": "resnet50", "size": (8, 8)}, "32 px or more, .*; give larger images"),
        ({"size": (15, 64)}, "16 px or more, .*; give larger images"),
    ],
)
def test_what_cannot_be_built_says_why(build, options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


def test_unknown_names_list_the_known(build, network):
    with pytest.raises(UnknownNameError, match="compact, densenet121"):
        build(backbone="resnet51")
    with pytest.raises(ConfigError, match="backbone compact has no tap 'stage9'; choose one of: stage1, stage2"):
        with_taps(network("compact"), ModelConfig("compact"), {"stage9"})


def test_three_classes_have_three_logits_and_the_positive_one_against_the_rest():
    model = build_classifier(ModelConfig("tiny"), (16, 16), {"brightfield": (0.3, 0.1)}, classes=3)
    assert model.output.shape == (None, 3)
    logits = np.random.default_rng(0).normal(0, 3, (20, 3)).astype(np.float32)
    expected = softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(outputs(logits), expected, atol=1e-6)
    np.testing.assert_allclose(probability(logits), expected[:, 1], atol=1e-6)
    np.testing.assert_allclose(log_odds(logits), logit(expected[:, 1]), atol=1e-4)
    np.testing.assert_array_equal(outputs(logits[:, :2]), probability(logits[:, :2]))
