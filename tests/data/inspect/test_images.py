"""Masks, flattening and the noise of images, on images whose truth is known."""

import numpy as np
import pytest
from discs import disc

from tfctc.data.inspect.images import CellImages, central_mask, centroid, flattened, noise


def test_a_plane_of_light_is_removed_exactly():
    rows, columns = np.indices((24, 30)).astype(np.float32)
    found = flattened(np.float32(0.4 + 0.003 * rows - 0.002 * columns))
    np.testing.assert_allclose(found, 0, atol=1e-5)


def test_the_noise_of_white_noise_is_its_standard_deviation_whatever_the_image():
    assert noise(disc(128, noise=0.02)) == pytest.approx(0.02, rel=0.05)
    assert noise(np.full((16, 16), 0.5)) == 0


def test_the_central_object_is_taken_and_its_holes_are_filled():
    image = disc(48, radius=7, down=2, right=-3, noise=0) - 0.4 * (np.hypot(*np.indices((48, 48)) - 23.5) < 1)
    image += disc(48, radius=9, down=-20, right=20, level=0, noise=0)
    mask = central_mask(image, 0.5)
    np.testing.assert_allclose(centroid(mask), (25.5, 20.5), atol=0.3)
    assert mask.sum() == pytest.approx(np.pi * 7**2, rel=0.1)


def test_a_constant_image_has_no_object():
    assert not central_mask(np.full((16, 16), 0.3), 0.3).any() and np.isnan(centroid(np.zeros((4, 4), bool))).all()


def test_a_dark_cell_is_as_visible_as_a_bright_one():
    for height in (0.2, -0.2):
        found = CellImages({"brightfield": np.float32(disc(height=height, radius=7, down=1))})
        np.testing.assert_allclose(centroid(found.cell), (16.5, 15.5), atol=0.5)
        assert not found.nucleus.any()
