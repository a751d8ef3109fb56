"""Channel images: checked and fitted to the facts of a data set."""

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from tfctc.cells import DatasetFacts
from tfctc.errors import ImageError
from tfctc.io.images import crop_or_pad, fit_to_facts, read_channel, rescaled, to_unit


def test_a_channel_must_be_as_declared(tmp_path):
    facts = DatasetFacts("few", image_size=(4, 6), bit_depth=12)
    pixels = np.arange(24, dtype=np.uint16).reshape(4, 6)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_channel(tmp_path / "a.png", facts), pixels[..., None])
    for other, message in (
        (pixels.T.copy(), "is 6 x 4 px, 4 x 6 expected"),
        (pixels.astype(np.uint8), "has uint8 pixels, uint16 expected"),
        (pixels + np.uint16(4090), r"has a pixel of 4113, above 4095 \(brightfield: bit depth 12\)"),
    ):
        Image.fromarray(other).save(tmp_path / "b.png")
        with pytest.raises(ImageError, match=message):
            read_channel(tmp_path / "b.png", facts)


def test_unit_scale_is_the_declared_one_and_not_the_images():
    facts = DatasetFacts("few", bit_depth=12)
    unit = to_unit(np.array([0, 2048, 4095], np.uint16), facts)
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(unit, np.array([0, 2048, 4095], np.float32) / np.float32(4095))


def test_channels_have_scales_of_their_own():
    facts = DatasetFacts("few", bit_depth=8, dapi_bit_depth=12)
    pixels = np.array([0, 128, 255], np.uint8)
    np.testing.assert_array_equal(to_unit(pixels, facts), pixels.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(to_unit(pixels, facts, "dapi"), pixels.astype(np.float32) / np.float32(4095))
    with pytest.raises(ImageError, match="has uint8 pixels, uint16 expected .dapi: bit depth 12"):
        fit_to_facts(np.zeros((64, 64), np.uint8), facts, channel="dapi")


def test_binned_pixels_are_repeated():
    facts = DatasetFacts("few", image_size=(4, 6), dapi_binning=2)
    binned = np.arange(6, dtype=np.uint16).reshape(2, 3)
    np.testing.assert_array_equal(fit_to_facts(binned, facts, channel="dapi")[..., 0], np.kron(binned, np.ones((2, 2))))
    with pytest.raises(ImageError, match="is 2 x 3 px, 4 x 6 expected"):
        fit_to_facts(binned, facts)


@pytest.mark.parametrize("shape", [(7, 5), (8, 8), (3, 9), (1, 4), (5, 1), (1, 1), (12, 6), (2, 2)])
@pytest.mark.parametrize("size", [(4, 6), (7, 5), (9, 9)])
def test_the_middle_is_kept_and_the_border_level_padded(shape, size):
    """The oracle places every pixel on its own."""
    pixels = np.random.default_rng(0).integers(0, 100, shape, np.uint16)
    border = sorted(
        int(pixels[y, x])
        for y in range(shape[0])
        for x in range(shape[1])
        if y in (0, shape[0] - 1) or x in (0, shape[1] - 1)
    )
    level = border[(len(border) - 1) // 2]
    starts = [
        (have - want) // 2 if have > want else -((want - have) // 2) for have, want in zip(shape, size, strict=True)
    ]
    expected = [
        [
            pixels[y, x] if 0 <= y < shape[0] and 0 <= x < shape[1] else level
            for x in range(starts[1], starts[1] + size[1])
        ]
        for y in range(starts[0], starts[0] + size[0])
    ]
    np.testing.assert_array_equal(crop_or_pad(pixels, size), expected)


def test_a_rescaled_image_keeps_its_mean_and_its_field():
    y, x = np.mgrid[:40, :60]
    pixels = (2000 + 1000 * np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 60)).astype(np.uint16)
    smaller = rescaled(pixels, 0.5, 1.0)
    assert smaller.shape == (20, 30) and smaller.dtype == np.uint16
    assert abs(float(smaller.mean()) - pixels.mean()) < 1
    peak = scipy.ndimage.center_of_mass(smaller.astype(float) - 2000)
    np.testing.assert_allclose(peak, (9.75, 14.75), atol=0.05)
    assert rescaled(pixels, 1.0, 0.5).shape == (80, 120)
    np.testing.assert_array_equal(rescaled(pixels, 0.64, 0.64), pixels)
