"""Saliency of networks whose gradients are known, and its share inside the nucleus."""

import keras
import numpy as np
import pytest

from tfctc.evaluation.intervals import difference_interval, share_interval
from tfctc.evaluation.saliency import nucleus_energy, saliency
from tfctc.progress import Task

SIDE = 6


def linear(channels, seed=0):
    """A classifier whose log-odds are a weighted sum of pixels; and the weights by channel."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(size=(SIDE * SIDE, 2)).astype(np.float32) for name in channels}
    inputs = {name: keras.Input((SIDE, SIDE, 1), name=name) for name in channels}
    parts = []
    for name, x in inputs.items():
        dense = keras.layers.Dense(2, use_bias=False)
        parts.append(dense(keras.layers.Flatten()(x)))
        dense.set_weights([weights[name]])
    logits = parts[0] if len(parts) == 1 else keras.layers.Add()(parts)
    return keras.Model(inputs, logits), {name: (w[:, 1] - w[:, 0]).reshape(SIDE, SIDE) for name, w in weights.items()}


@pytest.mark.parametrize("channels", [("brightfield",), ("brightfield", "dapi")])
def test_the_saliency_of_a_linear_network_is_its_squared_weights(channels):
    model, weights = linear(channels)
    images = {name: np.random.default_rng(1).random((5, SIDE, SIDE), np.float32) for name in ("brightfield", "dapi")}
    found = saliency(model, images, np.random.default_rng(0))
    assert set(found) == set(channels)
    for name in channels:
        np.testing.assert_allclose(found[name], np.tile(weights[name] ** 2, (5, 1, 1)), rtol=1e-5)


def test_noise_averages_the_gradient_of_a_curved_network():
    """The log-odds are the sum of x^2: the mean squared gradient is 4 (x^2 + variance)."""
    x = keras.Input((SIDE, SIDE, 1), name="brightfield")
    total = keras.ops.sum(keras.ops.square(x), axis=(1, 2))
    model = keras.Model({"brightfield": x}, keras.ops.concatenate([0 * total, total], axis=1))
    image = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(1, SIDE, SIDE)
    steps = []
    task = Task(lambda *step: steps.append(step), "saliency", 1)
    found = saliency(model, {"brightfield": image}, np.random.default_rng(0), samples=4000, task=task)
    low, high = np.percentile(image, (1, 99))
    expected = 4 * (image**2 + (0.1 * (high - low)) ** 2)
    np.testing.assert_allclose(found["brightfield"], expected, rtol=0.1, atol=0.005)
    assert steps == [("saliency", 1, 1)]


def test_the_same_seed_gives_the_same_saliency():
    model, _ = linear(("brightfield",))
    images = {"brightfield": np.random.default_rng(1).random((3, SIDE, SIDE), np.float32)}
    one, other = (saliency(model, images, np.random.default_rng(3))["brightfield"] for _ in range(2))
    np.testing.assert_array_equal(one, other)


def made_up(count=12, seed=0):
    """Random saliency, and squares at random places as nuclei."""
    rng = np.random.default_rng(seed)
    energy, nuclei = rng.random((count, 10, 10)), np.zeros((count, 10, 10), bool)
    for mask, (row, column) in zip(nuclei, rng.integers(0, 7, (count, 2)), strict=True):
        mask[row : row + 3, column : column + 3] = True
    return energy, nuclei, np.arange(count) % 4


def test_the_shares_are_those_of_a_loop():
    energy, nuclei, patients = made_up()
    found = nucleus_energy(energy, nuclei, patients, "student", "brightfield")
    inside = np.array([e[m].sum() / e.sum() for e, m in zip(energy, nuclei, strict=True)])
    elsewhere = [
        np.mean([energy[i][nuclei[j]].sum() / energy[i].sum() for j in range(12) if j != i]) for i in range(12)
    ]
    assert found.inside.value == pytest.approx(inside.mean()) and found.area == pytest.approx(0.09)
    assert found.elsewhere == pytest.approx(np.mean(elsewhere))
    assert found.above_area.value == pytest.approx(inside.mean() - 0.09)
    assert found.above_elsewhere.value == pytest.approx(inside.mean() - np.mean(elsewhere))
    without = np.array([inside[patients != p].mean() for p in range(4)])
    ends = share_interval(inside.mean(), without, np.full(4, 3), 4, 12)
    assert (found.inside.low, found.inside.high) == pytest.approx(ends)
    ends = difference_interval(inside.mean() - 0.09, without - 0.09, np.full(4, 3), 4, 12)
    assert (found.above_area.low, found.above_area.high) == pytest.approx(ends)
    assert (found.cells, found.patients) == (12, 4)


def test_saliency_at_one_place_is_not_taken_for_a_nucleus():
    """A model of the image's centre, and nuclei that all are there: far above the area, not above other nuclei."""
    rows, columns = np.indices((20, 20)) - 9.5
    energy = np.tile(np.exp(-(rows**2 + columns**2) / 20), (8, 1, 1))
    nuclei = np.tile(np.hypot(rows, columns) < 4, (8, 1, 1))
    found = nucleus_energy(energy, nuclei, np.arange(8), "student", "brightfield")
    assert found.above_area.value > 0.4 and found.above_area.low > 0
    assert found.above_elsewhere.value == pytest.approx(0)


def test_cells_without_a_nucleus_are_left_out():
    energy, nuclei, patients = made_up()
    nuclei[1], energy[2] = False, 0
    assert nucleus_energy(energy, nuclei, patients, "s", "b").cells == 10
    assert nucleus_energy(energy, np.zeros_like(nuclei), patients, "s", "b") is None


def test_cells_of_one_patient_have_no_interval():
    energy, nuclei, _ = made_up()
    found = nucleus_energy(energy, nuclei, np.zeros(12), "s", "b")
    assert found.inside.low is None and found.above_area.high is None
