"""Robustness of a network that is known, and the changes against NumPy and SciPy."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from tfctc.evaluation.metrics import compute_metrics
from tfctc.evaluation.predictions import Predictions
from tfctc.evaluation.robustness import CHANGES, RobustnessPoint, changed, measure_robustness, worst

NAMED = {change.name: change for change in CHANGES}
SIDE = 16


def brightness():
    """A classifier of the mean pixel: its log-odds are 0 at 0.4."""
    x = keras.Input((SIDE, SIDE, 1), name="brightfield")
    mean = keras.ops.mean(x, axis=(1, 2))
    return keras.Model({"brightfield": x}, keras.ops.concatenate([0 * mean, 20 * (mean - 0.4)], axis=1))


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = np.clip(0.3 + 0.2 * labels[:, None, None] + rng.normal(0, 0.1, (40, SIDE, SIDE)), 0, 1)
    names = np.arange(40).astype(str)
    return images.astype(np.float32), Predictions(names, (np.arange(40) % 5).astype(str), labels, np.zeros(40))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_the_neutral_strength_changes_nothing_and_the_others_do(change, cells):
    images, _ = cells
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(changed(images, change, change.neutral, rng), images, atol=2e-6)
    for strength in change.strengths:
        found = changed(images, change, strength, rng)
        assert found.shape == images.shape and found.dtype == np.float32
        assert found.min() >= 0 and found.max() <= 1 and np.abs(found - images).max() > 0.005
    assert list(change.strengths) == sorted(set(change.strengths)) and change.neutral not in change.strengths


def test_gain_defocus_and_rotation_are_those_of_other_libraries(cells):
    images, rng = cells[0], np.random.default_rng(0)
    np.testing.assert_allclose(changed(images, NAMED["gain"], 2.0, rng), np.clip(2 * images, 0, 1), atol=1e-6)
    blurred = changed(images, NAMED["defocus"], 1.0, rng)
    expected = np.stack([ndimage.gaussian_filter(image, 1.0, truncate=8) for image in images])
    np.testing.assert_allclose(blurred[:, 4:-4, 4:-4], expected[:, 4:-4, 4:-4], atol=1e-3)
    turned = changed(images, NAMED["rotation"], 90.0, rng)
    np.testing.assert_allclose(turned[:, 2:-2, 2:-2], np.rot90(images, axes=(1, 2))[:, 2:-2, 2:-2], atol=1e-4)


def test_a_shift_has_its_length_in_a_random_direction():
    rows, columns = np.indices((64, 64)) - 31.5
    spot = np.exp(-(rows**2 + columns**2) / 50).astype(np.float32)
    found = changed(np.stack([spot] * 20), NAMED["shift"], 0.1, np.random.default_rng(0))
    centres = np.array([ndimage.center_of_mass(image) for image in found]) - 31.5
    np.testing.assert_allclose(np.hypot(*centres.T), 6.4, atol=0.1)
    assert np.ptp(np.arctan2(*centres.T)) > 4


def test_the_metrics_are_those_of_the_changed_images(cells):
    images, known = cells
    steps = []
    few = (NAMED["gain"], NAMED["noise"])
    points = measure_robustness(brightness(), images, known, 0.5, 0, lambda *step: steps.append(step), few)
    assert [point.change for point in points].count("gain") == len(NAMED["gain"].strengths)
    assert steps[-1][1] == steps[-1][2] == 40 * len(points)
    (gained,) = (point for point in points if (point.change, point.strength) == ("gain", 0.7))
    for point, factor in ((points[0], 1.0), (gained, 0.7)):
        mean = np.clip(factor * images, 0, 1).mean(axis=(1, 2), dtype=float)
        expected = compute_metrics(known.label, 1 / (1 + np.exp(-20 * (mean - 0.4))), 0.5)
        for name in ("auroc", "f1"):
            assert point.metrics[name] == pytest.approx(expected[name])
        assert point.metrics["same_call"] == np.mean((mean >= 0.4) == (images.mean(axis=(1, 2)) >= 0.4))
    assert points[0].auroc_change["value"] == 0 and gained.auroc_change["low"] <= gained.auroc_change["high"]


def test_one_class_is_measured_by_the_calls_that_stay(cells):
    images, known = cells
    chosen = known.label == 1
    gains = [NAMED["gain"]]
    points = measure_robustness(brightness(), images[chosen], known.of(chosen), 0.5, changes=gains)
    assert all(point.metrics["auroc"] is None and point.auroc_change is None for point in points)
    assert worst(points).metrics["same_call"] == min(point.metrics["same_call"] for point in points)


def test_the_worst_is_the_lowest_auroc():
    points = [RobustnessPoint("x", "", i, {"auroc": a, "same_call": 1 - a}) for i, a in enumerate((0.1, 0.9, 0.6))]
    assert worst(points).strength == 2
