"""Quality of single images: each made-up fault is found in the image that has it, and in no other."""

import numpy as np
import pytest
from discs import disc
from scipy.ndimage import gaussian_filter

from tfctc.data.inspect.quality import Quality, measure_image


@pytest.fixture
def faults(survey):
    """Ids of the images with each fault, of a channel, in 40 discs of which the last is replaced."""

    def find(image, channel="brightfield", count=1):
        good = [disc(seed=i, radius=6 + 0.05 * i, noise=0.004) for i in range(40 - count)]
        images = [*good, *[image] * count]
        nuclei = [disc(seed=i, radius=4 + 0.02 * i, level=0.03) for i in range(40)]
        pairs = zip(images, nuclei, strict=True) if channel == "brightfield" else zip(nuclei, images, strict=True)
        section = Quality().section(survey(list(pairs)))
        found = {name: ids for name, ids in section.values[channel].items() if ids}
        return found, [one.problem for one in section.findings]

    return find


def test_good_images_have_no_fault(faults):
    assert faults(disc(seed=99, noise=0.004)) == ({}, [])


def test_a_blurred_image_is_named(faults):
    found, (problem,) = faults(gaussian_filter(disc(seed=99, noise=0.004), 4))
    assert found == {"blurred": ["c39"]} and "1 bright-field image: far less sharp" in problem


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_an_empty_image_is_named(faults, noise):
    found, (problem,) = faults(disc(height=0, noise=noise))
    assert found == {"empty": ["c39"]} and "nothing but background" in problem


def test_a_saturated_image_is_named_at_full_scale_and_below_it(faults):
    assert "saturated" in faults(disc(level=0.6, height=0.6, noise=0.004))[0]
    found, problems = faults(np.minimum(disc(level=0.6, height=0.3, noise=0.004), 0.8))
    assert "saturated" in found and any("1 bright-field image: saturated" in one for one in problems)


def test_a_dark_background_may_be_0_in_dapi_but_not_in_bright_field(faults):
    clipped = disc(level=-0.005, noise=0.005)
    assert "black" in faults(clipped)[0]
    assert "black" in faults(clipped, "dapi")[0]
    assert "black" not in faults(disc(level=0.01, noise=0.005), "dapi")[0]


def test_sharpness_falls_with_blur_and_hardly_with_noise_or_gain():
    images = [gaussian_filter(disc(noise=0), sigma) for sigma in (0.5, 1, 2, 4)]
    sharp = [measure_image(image)[0] for image in images]
    assert sharp == sorted(sharp, reverse=True)
    assert measure_image(0.5 * images[1] + 0.2)[0] == pytest.approx(sharp[1], abs=0.05)
    noisy = images[1] + np.random.default_rng(0).normal(0, 0.01, images[1].shape)
    assert measure_image(noisy)[0] == pytest.approx(sharp[1], abs=0.15)
