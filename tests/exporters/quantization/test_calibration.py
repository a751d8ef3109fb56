"""The calibration set, of made-up cells that carry their patient and class in their pixels."""

import numpy as np

from tfctc.exporters.quantization.calibration import calibration_set, without_outliers


def batch(*cells):
    """A batch of cells (patient, label, number); each number is the value of a pixel."""
    numbers = np.array(cells, np.float32)
    return {
        "brightfield": numbers.reshape(-1, 3, 1, 1),
        "label": numbers[:, 1].astype(int),
        "patient_id": np.array([b"p%d" % patient for patient in numbers[:, 0]], object),
    }


def taken(batches, most):
    return [tuple(image.ravel().astype(int)) for image in calibration_set(batches, most)]


def test_every_patient_and_class_has_its_turn_however_rare():
    many = [batch(*[(0, 0, n) for n in range(i, i + 10)]) for i in range(0, 100, 10)]
    rare = [batch((1, 0, 0), (0, 1, 0), (0, 1, 1))]
    assert taken([*many, *rare], 3) == [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
    assert taken([*many, *rare], 6) == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (0, 0, 2)]


def test_all_cells_are_taken_if_they_are_few():
    assert len(taken([batch((0, 0, 0), (0, 1, 0)), batch((2, 0, 0))], 10)) == 3
    assert calibration_set([], 10).shape == (0,)


def test_an_image_that_stretches_a_range_is_left_out():
    rng = np.random.default_rng(0)
    images, largest = list(np.arange(100).reshape(-1, 1, 1, 1)), rng.uniform(1, 1.9, (100, 3))
    assert without_outliers(images, largest) == images
    largest[7, 1], largest[50, 2] = 4.0, 300.0
    assert without_outliers(images, largest) == images[:7] + images[8:50] + images[51:]


def test_values_that_many_images_have_are_no_outliers():
    """A rare site of bright images, a tenth of all, is kept."""
    images, largest = list(np.zeros((100, 2, 2, 1))), np.ones((100, 3))
    largest[::10] = 50.0
    assert len(without_outliers(images, largest)) == 100


def test_no_image_is_left_out_if_each_is_an_outlier_somewhere():
    images = list(np.zeros((4, 2, 2, 1)))
    assert len(without_outliers(images, 1 + 99 * np.eye(4))) == 4
