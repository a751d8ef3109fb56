"""Features of an image against closed forms and SciPy's; what changes none of them."""

import numpy as np
import pytest
from learnt_quality import simulated_cells
from scipy import ndimage

from tfctc.quality.features import FAINTEST, FEATURES, LEAST_SATURATION, image_features


def named(image):
    return dict(zip(FEATURES, image_features(image), strict=True))


def spot(x=0.0, y=0.0, wide=3.0, high=3.0, size=65, amplitude=0.1):
    """A bright Gaussian spot on an even background of 0.5; x and y from the middle, in pixels."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return 0.5 * (1 + amplitude * np.exp(-0.5 * (((columns - x) / wide) ** 2 + ((rows - y) / high) ** 2)))


def test_flips_and_quarter_turns_change_no_feature():
    rng = np.random.default_rng(0)
    for image in (*simulated_cells()[2][:5], rng.random((24, 20)), rng.random((16, 31))):
        expected = image_features(image)
        for turned in (image[::-1], image[:, ::-1], image.T, np.rot90(image), np.rot90(image, 2)):
            assert image_features(turned) == pytest.approx(expected, abs=1e-4)
        assert image_features(image[..., np.newaxis]) == pytest.approx(expected, abs=0)


def test_gain_changes_brightness_alone_and_a_tilt_of_the_light_hardly_anything():
    # Without noise or saturation, all else is relative to the background.
    image = spot()
    first, darker = named(image), named(0.6 * image)
    # The darkest background that is divided by is added to the mean.
    assert darker["brightness"] - first["brightness"] == pytest.approx(np.log(0.6), abs=2e-3)
    others = [name for name in FEATURES if name != "brightness"]
    assert [darker[name] for name in others] == pytest.approx([first[name] for name in others], abs=5e-3)
    x = np.linspace(-1, 1, 65)
    tilted = named(image + 0.03 * x + 0.02 * x[:, np.newaxis] - 0.02 * (x**2 + x[:, np.newaxis] ** 2))
    assert tilted["contrast"] == pytest.approx(first["contrast"], abs=0.05)
    assert tilted["offset"] == pytest.approx(first["offset"], abs=0.01)


@pytest.mark.parametrize("sigma", [0.004, 0.02])
def test_noise_is_its_standard_deviation(sigma):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, sigma, (96, 96))
    assert named(0.5 + noise)["noise"] == pytest.approx(np.log(2 * sigma), abs=0.05)
    # A cell on it does not count.
    assert named(spot(size=96, wide=8, high=8) + noise)["noise"] == pytest.approx(np.log(2 * sigma), abs=0.06)


def test_contrast_and_sharpness_are_those_of_scipy():
    image = simulated_cells()[2][3].astype(np.float64)
    y, x = np.indices(image.shape) - 15.5
    terms = np.stack([np.ones(image.size), x.ravel(), y.ravel(), (x**2 + y**2).ravel()], axis=1)
    border = np.ones(image.shape, bool)
    border[2:-2, 2:-2] = False
    fit = np.linalg.lstsq(terms[border.ravel()], image[border], rcond=None)[0]
    deviation = (image - (terms @ fit).reshape(image.shape)) / fit[0]
    binomial = np.outer([1, 2, 1], [1, 2, 1]) / 16
    smooth = ndimage.correlate(deviation, binomial, mode="nearest")
    contrast = np.sqrt((smooth**2).mean() + FAINTEST**2)
    laplacian = ndimage.laplace(smooth)[1:-1, 1:-1]
    found = named(image)
    assert found["contrast"] == pytest.approx(np.log(contrast), abs=1e-4)
    assert found["sharpness"] == pytest.approx(np.log(np.sqrt((laplacian**2).mean()) / contrast), abs=1e-4)
    assert found["skewness"] == pytest.approx(np.arcsinh((smooth**3).mean() / contrast**3), abs=1e-3)
    assert found["peaks"] == pytest.approx(np.log((smooth**4).mean() / contrast**4), abs=2e-3)
    # Blur takes sharpness away.
    assert named(ndimage.gaussian_filter(image, 1.5))["sharpness"] < found["sharpness"] - 0.3


def test_offset_and_elongation_of_a_spot_are_those_of_its_square():
    found = named(spot(x=6, y=-8))
    assert found["offset"] == pytest.approx(10 / 32.5, abs=0.01)
    assert named(spot())["offset"] == pytest.approx(0, abs=1e-3)
    assert named(spot())["elongation"] == pytest.approx(0, abs=1e-3)
    # The smoothing adds half a pixel squared along either axis; the square of a Gaussian has half its variance.
    wide, high = 6.0**2 + 0.5, 3.0**2 + 0.5
    expected = (wide - high) / (wide + high)
    assert named(spot(wide=6, high=3))["elongation"] == pytest.approx(expected, abs=0.01)
    # The window of standard deviation 0.3 of half of the side multiplies the square.
    window = (0.3 * 32.5) ** 2
    wide, high = (1 / (2 / v + 1 / window) for v in (wide, high))
    assert named(spot(wide=6, high=3))["central_elongation"] == pytest.approx((wide - high) / (wide + high), abs=0.01)


def test_an_object_at_a_side_has_its_energy_there_and_an_object_elsewhere_has_not():
    assert named(spot(x=32))["side"] > named(spot())["side"] + 4
    assert named(spot())["centre"] > named(spot(x=20))["centre"] + 3
    bright, dark = named(spot(wide=10, high=10)), named(spot(wide=10, high=10, amplitude=-0.1))
    assert bright["inner_tone"] == pytest.approx(-dark["inner_tone"], abs=1e-3) and bright["inner_tone"] > 0.5


def test_saturation_is_the_share_of_pixels_at_the_ends():
    image = np.full((20, 20), 0.5)
    image[0, :5], image[1, :5] = 0, 1
    assert named(image)["saturation"] == pytest.approx(np.log(10 / 400 + LEAST_SATURATION))


@pytest.mark.parametrize("shape", [(3, 3), (5, 4), (16, 31), (64, 64)])
def test_all_features_of_any_image_are_finite(shape):
    rng = np.random.default_rng(0)
    one = np.zeros(shape)
    one[1, 1] = 1
    for image in (np.zeros(shape), np.ones(shape), np.full(shape, 0.5), one, 1 - one, rng.random(shape)):
        found = named(image)
        assert np.isfinite(list(found.values())).all()
        assert 0 <= found["elongation"] <= 1 and 0 <= found["central_elongation"] <= 1
