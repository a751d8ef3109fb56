"""Limits of files from earlier versions: measures against SciPy's, faults by name, contrast on a logarithmic scale."""

import numpy as np
import pytest
from scipy import ndimage

from tfctc.errors import ConfigError
from tfctc.quality.faults import OK, describe_quality
from tfctc.quality.limits import FAULTS, QualityLimits, image_measures


@pytest.fixture
def cells():
    """300 images of noise, a little blurred, each with a disc."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((24, 20))
    disc = np.hypot(rows - 12, columns - 10) < 6
    noise = ndimage.gaussian_filter(rng.normal(0, 0.05, (300, 24, 20)), (0, 0.5, 0.5))
    return (0.4 + rng.normal(0, 0.01, (300, 1, 1)) + 0.1 * disc + noise).astype(np.float32)


def old_limits(images):
    """Limits as an earlier version computed them: quantiles, moved apart by a quarter of their distance."""
    measured = [image_measures(image) for image in images]
    found = {}
    for name in FAULTS:
        low, high = np.quantile([values[name] for values in measured], [0.001, 0.999])
        found[name] = [low - (high - low) / 4, high + (high - low) / 4]
    return found


def test_measures_are_those_of_scipy(cells):
    image = cells[0].copy()
    image[:2, :3] = 1.0
    image[5, 5] = 0.0
    found = image_measures(image[..., np.newaxis])
    inner = ndimage.laplace(image.astype(np.float64))[1:-1, 1:-1]
    assert found["brightness"] == pytest.approx(image.mean(), rel=1e-6)
    assert found["contrast"] == pytest.approx(image.std(), rel=1e-6)
    assert found["saturation"] == pytest.approx(7 / 480)
    assert found["sharpness"] == pytest.approx(np.log(inner.std() / image.std()), abs=1e-4)


def test_contrast_and_brightness_do_not_change_sharpness(cells):
    assert image_measures(cells[0] * 0.5 + 0.2)["sharpness"] == pytest.approx(
        image_measures(cells[0])["sharpness"], abs=1e-4
    )


def test_the_limits_of_the_contrast_are_moved_apart_on_a_logarithmic_scale(cells):
    contrast = cells.astype(np.float64).std(axis=(1, 2))
    low, high = np.quantile(contrast, [0.001, 0.999])
    found = QualityLimits(old_limits(cells)).limits
    assert found["contrast"] == pytest.approx((low * (low / high) ** 0.25, high * (high / low) ** 0.25), rel=1e-5)
    wide = {"contrast": [0.01 - 0.14 / 4, 0.15 + 0.14 / 4]}  # Below 0: nothing could be called flat.
    assert QualityLimits(wide).limits["contrast"][0] == pytest.approx(0.01 / 15**0.25)


def test_what_was_trained_on_passes_and_what_is_unlike_is_named(cells):
    known = QualityLimits(old_limits(cells))
    assert {describe_quality(image, known) for image in cells} == {OK}
    image = cells[0]
    spoilt = {
        "dark": image * 0.5,
        "bright": image + 0.3,
        "flat": (image - 0.45) * 0.3 + 0.45,
        "harsh": (image - 0.45) * 3 + 0.45,
        "blurred": ndimage.gaussian_filter(image, 2),
        "noisy": np.random.default_rng(1).normal(0.44, image.std(), image.shape),
        "saturated": np.where(np.indices(image.shape).sum(axis=0) < 8, 1.0, image),
    }
    for fault, pixels in spoilt.items():
        assert fault in describe_quality(pixels.astype(np.float32), known).split(), fault
    assert describe_quality(image, QualityLimits({})) == OK


@pytest.mark.parametrize(
    "limits",
    [{"beauty": [0, 1]}, {"contrast": [1]}, {"contrast": [1, 0]}, {"contrast": [0, float("nan")]}],
)
def test_other_limits_are_refused(limits):
    with pytest.raises(ConfigError):
        QualityLimits(limits)


def test_an_even_image_has_finite_measures():
    for value in (0.0, 0.5, 1.0):
        assert np.isfinite(list(image_measures(np.full((3, 3), value, np.float32)).values())).all()
