"""Calibration folded into a classifier."""

import keras
import numpy as np
import pytest
from scipy.special import softmax

from tfctc.config import ModelConfig
from tfctc.evaluation.calibration import Calibration
from tfctc.models.calibrated import fold_calibration
from tfctc.models.classifier import build_classifier, log_odds, probability


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(0)
    model = build_classifier(ModelConfig("tiny"), (16, 16), {"brightfield": (0.3, 0.1)})
    layer = model.get_layer("logits")
    layer.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in layer.get_weights()])
    return model


@pytest.mark.parametrize(("scale", "bias"), [(0.4, -4.6), (3.0, 1.0), (1.0, 0.0)])
def test_the_folded_network_gives_the_affine_map_of_the_log_odds(classifier, scale, bias):
    before = [weight.copy() for weight in classifier.get_weights()]
    images = {"brightfield": np.random.default_rng(1).random((8, 16, 16, 1), np.float32)}
    raw = np.diff(classifier(images).numpy().astype(np.float64))[:, 0]
    folded = fold_calibration(classifier, scale, (0.0, bias))
    logits = folded(images).numpy()
    np.testing.assert_allclose(np.diff(logits)[:, 0], scale * raw + bias, atol=1e-5)
    np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(probability(logits), 1 / (1 + np.exp(-scale * raw - bias)), atol=1e-6)
    # The classifier itself is as it was, and the copy has no weight more.
    assert all(np.array_equal(w, b) for w, b in zip(classifier.get_weights(), before, strict=True))
    assert folded.name == classifier.name and folded.count_params() == classifier.count_params()


def test_log_odds_are_exact_where_the_probability_is_1():
    logits = np.float32([[-20, 30], [1, 3], [0, -40]])
    np.testing.assert_array_equal(log_odds(logits), np.float32([50, 2, -40]))


def test_three_logits_are_mapped_and_their_probabilities_are_those_of_the_map():
    keras.utils.set_random_seed(0)
    model = build_classifier(ModelConfig("tiny"), (16, 16), {"brightfield": (0.3, 0.1)}, classes=3)
    images = {"brightfield": np.random.default_rng(1).random((8, 16, 16, 1), np.float32)}
    raw = model(images).numpy().astype(np.float64)
    found = fold_calibration(model, 0.4, (0.0, -2.0, 0.7))(images).numpy()
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-6)
    expected = softmax(0.4 * raw + [0, -2.0, 0.7], axis=1)
    np.testing.assert_allclose(softmax(found, axis=1), expected, atol=1e-6)
    calibration = Calibration(0.4, -2.0, "validation", other_bias=0.7)
    assert calibration.biases(3) == (0.0, -2.0, 0.7) and calibration.biases(2) == (0.0, -2.0)
    np.testing.assert_allclose(calibration(raw), expected[:, 1], atol=1e-7)
