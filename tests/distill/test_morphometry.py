"""Measurements of DAPI images against closed forms of discs and ellipses."""

import numpy as np
import pytest
from discs import disc

from tfctc.distill.morphometry import BINS, MEASUREMENTS, _thresholds, central_object, measure_dapi


def ellipse(long=10.0, short=5.0, angle=0.5, down=0.0, right=0.0, size=41, height=0.5, level=0.1):
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    y, x = rows - down, columns - right
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return level + height * ((along / long) ** 2 + (across / short) ** 2 <= 1)


def named(image):
    return dict(zip(MEASUREMENTS, measure_dapi(image[None])[0], strict=True))


def test_an_ellipse_has_its_area_eccentricity_intensity_and_place():
    found = named(ellipse(down=2.0, right=-3.0))
    area = np.pi * 10 * 5
    assert found["area"] == pytest.approx(area, rel=0.06)
    assert found["eccentricity"] == pytest.approx(np.sqrt(1 - (5 / 10) ** 2), abs=0.02)
    assert found["mean_intensity"] == pytest.approx(0.5, rel=0.06)  # border pixels are above the threshold too
    assert found["total_intensity"] == pytest.approx(0.5 * area, rel=0.02)
    assert found["largest_intensity"] == pytest.approx(0.5) and found["background"] == pytest.approx(0.1)
    assert found["distance"] == pytest.approx(np.hypot(2, 3), abs=0.1)
    # The second moment of an even ellipse is (long² + short²) / 4.
    assert found["spread"] == pytest.approx((10**2 + 5**2) / 4 / area, rel=0.06)
    assert found["asymmetry"] < 0.1 and found["relative_noise"] < 0.3


def test_the_object_in_the_middle_is_measured_and_the_others_are_counted():
    image = ellipse(4, 4, down=1, size=61) + ellipse(7, 7, down=20, right=15, size=61, level=0)
    found = named(image)
    assert found["area"] == pytest.approx(np.pi * 16, rel=0.25) and found["distance"] == pytest.approx(1, abs=0.1)
    assert found["area_of_others"] == pytest.approx(np.pi * 49, rel=0.15)
    both = 0.5 * np.pi * (16 + 49)
    assert found["total_of_image"] == pytest.approx(both, rel=0.05)


def test_texture_and_edge_tell_a_speckled_nucleus_from_an_even_one():
    even = disc(size=41, radius=10, noise=0)
    rows, columns = np.indices(even.shape)
    speckled = even + 0.15 * np.sign(np.sin(rows * 1.6) * np.sin(columns * 1.6)) * (even > 0.6)
    a, b = named(even), named(speckled)
    assert b["relative_texture"] > 1.5 * a["relative_texture"] and b["relative_noise"] > 1.5 * a["relative_noise"]
    assert named(disc(size=41, radius=10, noise=0, height=0.2))["relative_edge"] == pytest.approx(a["relative_edge"])


def test_brightness_changes_only_the_intensities():
    image = disc(size=41, radius=9, noise=0.01)
    a, b = named(image), named(0.5 * image)
    for name in MEASUREMENTS:
        factor = 0.5 if "intensity" in name or name in ("background", "total_of_image") else 1
        assert b[name] == pytest.approx(factor * a[name], rel=1e-3), name


def test_the_threshold_is_otsus():
    """By trying all of them: the one with the largest variance between the two groups of pixels."""
    rng = np.random.default_rng(0)
    image = np.concatenate([rng.normal(0.2, 0.05, 800), rng.normal(0.7, 0.1, 300)]).reshape(44, 25)
    levels = np.linspace(image.min(), image.max(), BINS + 1)[1:-1]
    between = [np.mean(image < t) * np.mean(image >= t) * (image[image < t].mean() - image[image >= t].mean()) ** 2
               for t in levels]  # fmt: skip
    assert _thresholds(image[None])[0] == pytest.approx(levels[np.argmax(between)], abs=2 * (levels[1] - levels[0]))


@pytest.mark.parametrize("image", [np.zeros((16, 20)), np.ones((16, 20)), np.eye(17), np.full((1, 1), 0.5)])
def test_odd_images_have_finite_measurements(image):
    found = measure_dapi(image[None])
    assert found.shape == (1, len(MEASUREMENTS)) and np.isfinite(found).all()


def test_each_image_is_measured_alone():
    images = np.stack([ellipse(8, 4), ellipse(5, 5, right=6), disc(size=41)])
    np.testing.assert_allclose(
        measure_dapi(images), np.concatenate([measure_dapi(one[None]) for one in images]), rtol=1e-9
    )


def test_the_central_object_is_what_is_measured():
    image = ellipse(4, 4, down=1, size=61) + ellipse(7, 7, down=20, right=15, size=61, level=0)
    inside = central_object(image[None])[0]
    assert inside.sum() == named(image)["area"] and inside[31, 30] and not inside[50, 45]
