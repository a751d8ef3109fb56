"""The head of a TFLite network: the probability of a calibrated model, also where it is far below 1/256."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax

from tfctc.config import ModelConfig
from tfctc.exporters import parity
from tfctc.exporters.litert import convert
from tfctc.models.calibrated import fold_calibration
from tfctc.models.classifier import build_classifier
from tfctc.runtime import RUNTIMES, load_network

#: Class weights of 1 positive cell in a thousand are taken back.
SCALE, BIAS = 0.8, -6.9


@pytest.fixture(scope="module")
def calibrated(model, images):
    """The calibrated model and, computed in NumPy, its probabilities: below 0.02 all of them."""
    log_odds = np.diff(model({"brightfield": images}, training=False).numpy().astype(np.float64))[:, 0]
    probabilities = expit(SCALE * log_odds + BIAS)
    assert probabilities.max() < 0.02 and probabilities.max() > 8 * probabilities.min()
    return fold_calibration(model, SCALE, (0.0, BIAS)), probabilities


@pytest.fixture(scope="module")
def networks(calibrated, facts, images):
    return {precision: convert(calibrated[0], facts, precision, images[::2]) for precision in ("none", "int8")}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("precision", "median", "largest"), [("none", 1e-5, 1e-4), ("int8", 0.1, 0.6)])
def test_a_file_gives_the_calibrated_probability_in_proportion(
    calibrated, networks, images, precision, median, largest, runtime
):
    network = load_network(networks[precision], runtime=runtime)
    found = np.concatenate([network(image[np.newaxis]) for image in images])
    relative = np.abs(found / calibrated[1] - 1)
    assert np.median(relative) < median and relative.max() < largest
    # More values than an output of 256 steps from 0 to 1 could have below 0.02.
    assert len(np.unique(found)) > 6


def test_int8_passes_its_gate_at_a_low_threshold_where_an_output_of_256_steps_does_not(calibrated, networks, images):
    expected = calibrated[1].astype(np.float32)
    threshold = 0.002
    found = parity.run_tflite(networks["int8"], images)
    count = calibrated[0].count_params()
    measures = parity.check("int8", len(networks["int8"]), count, found, expected, threshold)
    assert measures["mean_abs_at_threshold"] < 0.02
    steps = (np.rint(expected * 256) / 256).astype(np.float32)
    assert np.abs(steps - expected).mean() < parity.GATES["int8"].bound
    with pytest.raises(parity.ExportError, match="int8 differs from Keras at the threshold 0.002"):
        parity.check("int8", len(networks["int8"]), count, steps, expected, threshold)


@pytest.mark.parametrize(("precision", "largest"), [("none", 1e-5), ("int8", 0.06)])
def test_three_classes_have_three_probabilities(images, facts, precision, largest):
    keras.utils.set_random_seed(1)
    model = build_classifier(ModelConfig("tiny"), facts.image_size, {"brightfield": (0.35, 0.1)}, classes=3)
    logits = model({"brightfield": images}, training=False).numpy().astype(np.float64)
    biases = 1.0 - logits.mean(axis=0)
    model, expected = fold_calibration(model, 1.0, biases), softmax(logits + biases, axis=1)
    flatbuffer = convert(model, replace(facts, other=True), precision, images[::2])
    parity.check_tflite_form(precision, flatbuffer, facts)
    for runtime in RUNTIMES:
        network = load_network(flatbuffer, runtime=runtime)
        found = np.concatenate([network(image[np.newaxis]) for image in images])
        assert found.shape == (48, 3) and found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=largest)
