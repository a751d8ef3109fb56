"""Saliency drawn over bright-field."""

import numpy as np

from tfctc.report.overlay import HEAT, OUTLINE, overlay


def test_the_outline_is_that_of_the_nucleus_and_heat_is_where_the_saliency_is():
    grey, saliency, nucleus = np.full((40, 40), 0.5), np.zeros((40, 40)), np.zeros((40, 40), bool)
    nucleus[10:20, 10:20], saliency[30, 30] = True, 1.0
    found = overlay(grey, saliency, nucleus, (0.0, 1.0))
    assert found.shape == (120, 120, 3) and found.dtype == np.uint8
    blue = (found == OUTLINE).all(axis=2)
    expected = np.zeros((120, 120), bool)
    expected[30:60, 30:60] = True
    expected[32:58, 32:58] = False
    np.testing.assert_array_equal(blue, expected)
    assert np.abs(found[91, 91].astype(float) - (0.25 * 127.5 + 0.75 * np.array(HEAT))).max() < 2
    assert (found[5, 5] == 128).all()


def test_no_saliency_and_no_nucleus_leave_the_image():
    found = overlay(np.full((130, 130), 0.25), np.zeros((130, 130)), np.zeros((130, 130), bool), (0.0, 0.5))
    assert found.shape == (130, 130, 3) and (found == 128).all()
