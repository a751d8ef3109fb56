"""Which cells are taken, of made-up ones that carry their patient and class in their pixels."""

import numpy as np

from tfctc.export.calibration import calibration_set, without_outliers


def batch(*cells):
    """Of (patient, label, number): each is the value of a pixel."""
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


def test_of_fewer_cells_all_are_taken():
    assert len(taken([batch((0, 0, 0), (0, 1, 0)), batch((2, 0, 0))], 10)) == 3
    assert calibration_set([], 10).shape == (0,)


def test_an_image_that_spreads_a_range_is_left_out():
    rng = np.random.default_rng(0)
    images, reach = list(np.arange(100).reshape(-1, 1, 1, 1)), rng.uniform(1, 1.9, (100, 3))
    assert without_outliers(images, reach) == images
    reach[7, 1], reach[50, 2] = 4.0, 300.0
    assert without_outliers(images, reach) == images[:7] + images[8:50] + images[51:]


def test_what_many_images_reach_is_no_outlier():
    """A rare site of bright images, a tenth of all, keeps its say."""
    images, reach = list(np.zeros((100, 2, 2, 1))), np.ones((100, 3))
    reach[::10] = 50.0
    assert len(without_outliers(images, reach)) == 100


def test_where_each_is_an_outlier_somewhere_none_is():
    images = list(np.zeros((4, 2, 2, 1)))
    assert len(without_outliers(images, 1 + 99 * np.eye(4))) == 4
