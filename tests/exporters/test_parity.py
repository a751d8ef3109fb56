"""Parity gates: what passes, and what each of them refuses."""

import numpy as np
import pytest
import tensorflow as tf

from tfctc.errors import ExportError
from tfctc.exporters import parity

EXPECTED = np.array([0.1, 0.5, 0.9], np.float32)


@pytest.mark.parametrize("artefact", list(parity.GATES))
def test_parity_measures_the_differences(artefact):
    step = parity.GATES[artefact].bound / 2
    found = EXPECTED + np.float32([step, 0, -step])
    measures = parity.check(artefact, 1000, 100, found, EXPECTED, threshold=0.1 + step / 2)
    assert measures["max_abs"] == pytest.approx(step, rel=0.01)
    assert measures["mean_abs"] == pytest.approx(step * 2 / 3, rel=0.01)
    assert measures["labels_changed"] == 1 and measures["images"] == 3


@pytest.mark.parametrize("artefact", list(parity.GATES))
def test_a_file_that_differs_is_refused_by_name_measure_and_bound(artefact):
    gate = parity.GATES[artefact]
    found = EXPECTED + np.float32(1.1 * gate.bound)
    if gate.measure == "mean_abs":
        # One image far off is no reason to refuse: the mean counts.
        parity.check(artefact, 1000, 100, EXPECTED + np.float32([2 * gate.bound, 0, 0]), EXPECTED, 0.5)
    with pytest.raises(ExportError, match=f"{artefact} .*{gate.measure} .*{gate.bound:g}"):
        parity.check(artefact, 1000, 100, found, EXPECTED, 0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01])
def test_predictions_that_are_no_probabilities_are_refused(value):
    found = EXPECTED.copy()
    found[1] = value
    with pytest.raises(ExportError, match="outside"):
        parity.check("int8", 1000, 100, found, EXPECTED, 0.5)


@pytest.mark.parametrize(
    ("artefact", "weight_bytes"), [("saved_model", 4), ("float32", 4), ("float16", 2), ("int8", 1)]
)
def test_a_file_too_small_for_its_weights_is_refused(artefact, weight_bytes):
    parity.check(artefact, 90 * weight_bytes, 100, EXPECTED, EXPECTED, 0.5)
    with pytest.raises(ExportError, match="100 weights"):
        parity.check(artefact, 90 * weight_bytes - 1, 100, EXPECTED, EXPECTED, 0.5)


def converted(function, *shapes, custom=False):
    class Network(tf.Module):
        pass

    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    network = Network()
    network.call = tf.function(function, input_signature=specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.call.get_concrete_function()], network)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.allow_custom_ops = custom
    return converter.convert()


IMAGE = (1, 24, 20, 1)


@pytest.mark.parametrize(
    ("flatbuffer", "message"),
    [
        (lambda: converted(lambda x, y: tf.reduce_mean(x + y, (1, 2, 3)), IMAGE, IMAGE), "2 inputs"),
        (lambda: converted(lambda x: (tf.reduce_mean(x), tf.reduce_max(x)), IMAGE), "2 outputs"),
        (lambda: converted(lambda x: tf.reduce_mean(x, (1, 2, 3)), (1, 20, 24, 1)), r"takes \(1, 20, 24, 1\)"),
        (lambda: converted(lambda x: tf.reduce_mean(tf.math.erfinv(x), (1, 2, 3)), IMAGE, custom=True), "rfinv"),
    ],
    ids=["two inputs", "two outputs", "turned", "custom operation"],
)
def test_a_network_of_another_form_is_refused(facts, flatbuffer, message):
    with pytest.raises(ExportError, match=message):
        parity.check_tflite_form("float32", flatbuffer(), facts)


def test_a_network_of_the_plain_form_passes(facts):
    parity.check_tflite_form("float32", converted(lambda x: tf.reduce_mean(x, (1, 2, 3)), IMAGE), facts)


def test_differences_at_the_threshold_are_those_after_a_shift_that_moves_it_to_one_half():
    expected, found = np.array([0.001, 0.01, 0.2]), np.array([0.0, 0.012, 0.2])
    odds = [p / (1 - p) / (0.01 / 0.99) for p in (expected, found)]
    shifted = [o / (1 + o) for o in odds]
    measures = parity.compare(found, expected, 0.01)
    assert measures["mean_abs_at_threshold"] == pytest.approx(np.abs(shifted[0] - shifted[1]).mean())
    half = parity.compare(found, expected, 0.5)
    assert half["mean_abs_at_threshold"] == pytest.approx(half["mean_abs"])


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 1.0])
def test_a_threshold_at_an_end_is_no_division_by_zero(threshold):
    measures = parity.compare(np.float32([0, 1]), np.float32([0, 1]), threshold)
    assert measures["mean_abs_at_threshold"] == 0


def test_a_file_that_gives_0_for_every_cell_is_refused_where_all_probabilities_are_low():
    expected = np.linspace(0.002, 0.03, 100, dtype=np.float32)
    assert expected.mean() < parity.GATES["int8"].bound
    with pytest.raises(ExportError, match="int8 differs from Keras at the threshold 0.02: mean_abs_at_threshold 0.4"):
        parity.check("int8", 1000, 100, np.zeros(100, np.float32), expected, 0.02)


@pytest.mark.parametrize(("changed", "passes"), [(4, True), (5, False)])
def test_labels_that_change_are_limited_by_the_class_that_is_called_less_often(changed, passes):
    """Four of forty may."""
    expected = np.float32([0.6] * 40 + [0.4] * 200)
    expected[:changed] = 0.501
    found = expected.copy()
    found[:changed] = 0.499
    if passes:
        assert parity.check("float32", 1000, 100, found, found, 0.5)["labels_changed"] == 0
        assert parity.check("int8", 1000, 100, found, expected, 0.5)["labels_changed"] == changed
    else:
        with pytest.raises(ExportError, match="int8 changes 5 labels of 240 images at the threshold 0.5, at most 4"):
            parity.check("int8", 1000, 100, found, expected, 0.5)


def test_calls_of_three_classes_are_compared():
    expected = np.float32([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    found = np.float32([[0.4, 0.15, 0.45], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    measures = parity.compare(found, expected, 0.5)
    assert measures["labels_changed"] == 1 and measures["max_abs"] == pytest.approx(0.35)
    assert measures["mean_abs"] == pytest.approx((0.2 + 0.15 + 0.35) / 9)
    np.testing.assert_array_equal(parity.positive(found), found[:, 1])
