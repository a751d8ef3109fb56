"""Damaged images: each kind shows what it says, measured on the pixels alone."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from tfctc.data.simulate import DAMAGE, SimulationOptions, simulate_cells, simulate_damaged
from tfctc.errors import ConfigError

FEW = SimulationOptions(patients=4, sites=2)


@pytest.fixture(scope="module")
def images():
    """24 images of every kind, and of good cells."""
    good = [cell.brightfield for cell in itertools.islice(simulate_cells(48, seed=3, options=FEW), 24)]
    return {"good": good} | {kind: list(simulate_damaged(kind, 24, seed=3, options=FEW)) for kind in DAMAGE}


def departure(image):
    """Absolute difference from the background, a plane through the whole image, smoothed."""
    y, x = np.indices(image.shape)
    terms = np.stack([np.ones(image.size), x.ravel(), y.ravel(), x.ravel() ** 2, y.ravel() ** 2], axis=1)
    flat = image.ravel() - terms @ np.linalg.lstsq(terms, image.ravel().astype(float), rcond=None)[0]
    return np.abs(ndimage.gaussian_filter(flat.reshape(image.shape), 1))


def test_images_have_the_size_and_bits_of_the_cells(images):
    for kind, found in images.items():
        assert {(image.shape, image.dtype.str[1:]) for image in found} == {((64, 64), "u2")}, kind
        assert max(image.max() for image in found) <= 4095


def test_an_image_depends_on_seed_kind_and_number_alone(images):
    for kind, found in images.items():
        if kind != "good":
            again = list(simulate_damaged(kind, 5, seed=3, options=FEW))
            np.testing.assert_array_equal(again, found[:5])
    ours = list(simulate_damaged("cut", 3, seed=3, options=FEW, patients=[1]))
    np.testing.assert_raises(AssertionError, np.testing.assert_array_equal, ours[0], images["cut"][0])


def test_there_is_no_cell_in_empty_and_constant_images(images):
    assert all(image.min() == image.max() for image in images["constant"])
    empty = max(departure(image).max() for image in images["empty"])
    assert empty < 0.5 * np.median([departure(image).max() for image in images["good"]])
    assert all(image.std() > 5 for image in images["empty"])  # It has noise.


def test_a_cut_cell_is_at_an_edge_and_two_cells_are_in_the_middle(images):
    def at_most(image):
        return np.array(ndimage.center_of_mass(departure(image) ** 4)) - 31.5

    # A cell inside has its centre near the middle; of a cut one, the visible half lies along one side.
    assert np.median([np.abs(at_most(image)).max() for image in images["good"]]) < 4
    assert np.median([np.abs(at_most(image)).max() for image in images["cut"]]) > 20

    def area(image):
        shape = departure(image) > 0.25 * departure(image).max()
        return ndimage.binary_fill_holes(shape)[12:52, 12:52].sum()

    assert np.median([area(image) for image in images["doubled"]]) > 1.4 * np.median(
        [area(image) for image in images["good"]]
    )


def test_a_blurred_image_has_no_fine_detail_and_a_saturated_one_is_white(images):
    def fine(image):
        return np.std(ndimage.gaussian_laplace(image.astype(float), 1.5)) / departure(image).max()

    assert np.median([fine(image) for image in images["blurred"]]) < 0.6 * np.median(
        [fine(image) for image in images["good"]]
    )
    assert np.mean([(image == 4095).mean() for image in images["saturated"]]) > 0.5
    assert np.mean([(image == 4095).mean() for image in images["good"]]) < 0.001


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="kind of damage must be one of constant, empty, .*, got 'torn'"):
        simulate_damaged("torn", 1, seed=0)
