"""Measurements of bright-field images where DAPI shows a nucleus."""

import numpy as np
import pytest
from discs import disc

from tfctc.distill.morphometry import central_object
from tfctc.distill.texture import REGIONS, RING, TEXTURES, measure_brightfield

DAPI = disc(size=41, radius=8, noise=0)


def named(brightfield, dapi=DAPI):
    names = [f"{texture} of {region}" for region in REGIONS for texture in TEXTURES]
    return dict(zip(names, measure_brightfield(brightfield[None], dapi[None])[0], strict=True))


def test_regions_are_the_object_a_ring_around_it_and_the_image():
    """A stair: 0.8 in the object, 0.5 around it, so that all means are known."""
    inside = central_object(DAPI[None])[0]
    found = named(np.where(inside, 0.8, 0.5))
    assert found["mean of object"] == pytest.approx(0.8 / 0.5 - 1) and found["deviation of object"] == 0
    assert found["mean of ring"] == pytest.approx(0, abs=1e-9)
    share = inside.mean()
    assert found["mean of image"] == pytest.approx(0.6 * share)
    assert found["deviation of image"] == pytest.approx(0.6 * np.sqrt(share * (1 - share)))
    # The stair is within the ring's reach of the filters, and far from most of the image.
    assert found["edge of ring"] > 3 * found["edge of image"]
    assert RING == 3


def test_texture_is_that_of_the_place():
    rows, columns = np.indices(DAPI.shape)
    pattern = 0.05 * np.sin(rows * 1.5) * np.sin(columns * 1.5)
    inside = central_object(DAPI[None])[0]
    even, speckled = named(np.full(DAPI.shape, 0.5)), named(0.5 + pattern * inside)
    assert all(value == pytest.approx(0, abs=1e-9) for value in even.values())
    assert speckled["fine_texture of object"] > 3 * speckled["fine_texture of ring"] > 0
    assert speckled["fine_texture of object"] > 3 * speckled["coarse_texture of object"]


def test_the_lamp_changes_nothing():
    image = disc(size=41, radius=8, level=0.5, height=0.1)
    for name, value in named(image).items():
        assert named(0.6 * image)[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name


def test_images_are_measured_one_by_one_and_always_finite():
    images = np.stack([disc(size=41, seed=1), np.zeros((41, 41)), np.ones((41, 41))])
    dapi = np.stack([DAPI, np.zeros((41, 41)), DAPI])
    found = measure_brightfield(images, dapi)
    assert found.shape == (3, len(REGIONS) * len(TEXTURES)) and np.isfinite(found).all()
    alone = [measure_brightfield(a[None], b[None])[0] for a, b in zip(images, dapi, strict=True)]
    np.testing.assert_allclose(found, alone, rtol=1e-9, atol=1e-12)
