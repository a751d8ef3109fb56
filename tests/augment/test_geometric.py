"""Oracles: numpy.flip and rot90, scipy.ndimage on images it interpolates exactly too, polynomials."""

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from scipy.interpolate import BSpline

from tfctc.augment.geometric import (
    BORDER,
    KNOTS,
    Elastic,
    Flip,
    GeometricOperation,
    Rotate,
    Scale,
    Shear,
    Translate,
    elastic,
    grid_of,
    pixel_grid,
    resample,
    rotate,
    shear,
)
from tfctc.augment.policy import Policy

SEEDS = [(0, 1), (7, 3), (2**31 - 1, -5)]


def smooth_image(height=40, width=36):
    rows, columns = np.mgrid[0:height, 0:width]
    return (np.sin(rows / 5) + np.cos(columns / 7 + rows / 9)).astype(np.float32)[..., None]


def resampled(image, coordinates):
    """For one image ``(H, W, C)``."""
    return resample(tf.constant(image[None]), tf.constant(coordinates, tf.float32))[0].numpy()


def test_whole_pixel_shift_equals_numpy_pad_of_the_border():
    image = np.random.default_rng(0).normal(size=(12, 10, 1)).astype(np.float32)
    shift = 2 * BORDER + 3

    def extended(line):
        first, last = line[: BORDER + 1], line[-BORDER - 1 :]
        left = np.pad(first, (shift, 0), mode="reflect")[:shift]
        right = np.pad(last, (0, shift), mode="reflect")[BORDER + 1 :]
        return np.concatenate([left, line, right])

    expected = np.apply_along_axis(extended, 0, image[..., 0])
    expected = np.apply_along_axis(extended, 1, expected)
    for move in (-shift, 0, 3, shift):
        actual = resampled(image, pixel_grid(12, 10) + np.float32([move, -move]).reshape(2, 1, 1, 1))
        window = expected[shift + move : shift + move + 12, shift - move : shift - move + 10]
        np.testing.assert_array_equal(actual[..., 0], window)


def test_cubic_convolution_reproduces_quadratic_surfaces():
    # Keys 1981: the interpolation error vanishes for polynomials up to degree 2.
    def surface(row, column):
        return 0.3 + 0.1 * row - 0.2 * column + 0.02 * row**2 - 0.03 * row * column + 0.01 * column**2

    rows, columns = pixel_grid(16, 16)[:, 0]
    places = np.random.default_rng(1).uniform(-5.5, 5.5, (2, 1, 16, 16)).astype(np.float32)
    actual = resampled(surface(rows, columns)[..., None], places)
    np.testing.assert_allclose(actual[..., 0], surface(*places[:, 0]), atol=1e-5)


@pytest.mark.parametrize("degrees", [17.0, -63.0, 140.0])
def test_rotation_equals_scipy_affine_transform(degrees):
    image = smooth_image()
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = (np.array(image.shape[:2]) - 1) / 2
    expected = ndimage.affine_transform(image[..., 0], matrix, centre - matrix @ centre, order=3)
    actual = resampled(image, rotate(pixel_grid(*image.shape[:2]), degrees))[..., 0]
    np.testing.assert_allclose(actual[12:-12, 12:-12], expected[12:-12, 12:-12], atol=2e-3)


def test_quarter_turns_equal_rot90():
    image = np.random.default_rng(2).uniform(size=(15, 15, 2)).astype(np.float32)
    for quarters in range(-2, 3):
        actual = resampled(image, rotate(pixel_grid(15, 15), 90.0 * quarters))
        np.testing.assert_allclose(actual, np.rot90(image, quarters), atol=1e-5)


def test_shear_equals_scipy_map_coordinates():
    image = smooth_image()
    rows, columns = np.mgrid[0:40, 0:36]
    expected = ndimage.map_coordinates(image[..., 0], [rows, columns + 0.2 * (rows - 19.5)], order=3)
    actual = resampled(image, shear(pixel_grid(40, 36), 0.2))[..., 0]
    np.testing.assert_allclose(actual[:, 6:-6], expected[:, 6:-6], atol=2e-3)


def test_elastic_equals_scipy_splines_and_map_coordinates():
    knots = np.random.default_rng(3).normal(size=(2, KNOTS, KNOTS))
    rows, columns = np.linspace(0, KNOTS - 1, 40), np.linspace(0, KNOTS - 1, 36)
    basis = [
        np.nan_to_num([BSpline.basis_element(np.arange(k - 2, k + 3), extrapolate=False)(x) for k in range(KNOTS)]).T
        for x in (rows, columns)
    ]
    displacement = np.einsum("hk,ckl,wl->chw", basis[0], knots, basis[1])
    coordinates = elastic(pixel_grid(40, 36), tf.constant(knots[:, None], tf.float32))
    np.testing.assert_allclose((coordinates - pixel_grid(40, 36))[:, 0], displacement, atol=1e-5)

    expected = ndimage.map_coordinates(smooth_image()[..., 0], np.mgrid[0:40, 0:36] + displacement, order=3)
    np.testing.assert_allclose(resampled(smooth_image(), coordinates)[4:-4, 4:-4, 0], expected[4:-4, 4:-4], atol=2e-3)


def test_flips_equal_numpy_and_happen_as_often_as_asked(cell):
    image = cell["brightfield"].numpy()
    flips = {(v, h): np.flip(image, [axis for axis, on in enumerate((v, h), 1) if on]) for v in (0, 1) for h in (0, 1)}
    for (vertical, horizontal), expected in flips.items():
        np.testing.assert_array_equal(Flip(horizontal, vertical)(cell, (1, 2))["brightfield"], expected)

    seen = [
        next(key for key, flipped in flips.items() if np.array_equal(flipped[0], version))
        for version in Flip(0.2, 0.8)({"brightfield": tf.repeat(image, 300, axis=0)}, (3, 1))["brightfield"]
    ]
    # Five standard deviations of a mean of 300 draws are 0.115.
    np.testing.assert_allclose(np.mean(seen, axis=0), (0.8, 0.2), atol=0.115)


@pytest.mark.parametrize("operation", [Rotate(40.0), Translate(0.1), Scale(0.2), Shear(0.3)], ids=repr)
def test_draws_stay_within_and_fill_their_strength(operation):
    images = tf.zeros((200, 10, 20, 1))
    read_off = {
        Rotate: lambda c: np.degrees(np.arctan2(c[0, 5, 19] - c[0, 5, 0], c[1, 5, 19] - c[1, 5, 0])) / 40.0,
        Translate: lambda c: [np.mean(c[0]) / 1.0, np.mean(c[1]) / 2.0],
        Scale: lambda c: np.log((c[0, 9, 0] - c[0, 0, 0]) / 9) / 0.2,
        Shear: lambda c: (c[1, 9, 0] - c[1, 0, 0]) / 9 / 0.3,
    }[type(operation)]
    fetched = operation.fetch(grid_of(images), operation.draw((7, 11), images)).numpy()
    drawn = np.array([read_off(fetched[:, i]) for i in range(200)])
    assert np.abs(drawn).max() <= 1 + 1e-5
    assert drawn.max() > 0.9 and drawn.min() < -0.9
    assert abs(drawn.mean()) < 0.21  # five standard deviations of a mean of 200 even draws


def test_elastic_displacement_has_the_stated_size():
    basis = elastic(tf.zeros((2, 1, 50, 100)), tf.ones((2, 1, KNOTS, KNOTS)))
    np.testing.assert_allclose(basis[..., 20:30, 40:60], 1.0, atol=1e-5)  # splines sum to 1 away from the border
    drawn = Elastic(0.02).draw((1, 0), tf.zeros((300, 50, 100, 1)))
    moves = Elastic(0.02).fetch(tf.zeros((2, 1, 50, 100)), drawn).numpy()[:, :, 25, 50].T
    # Variance at a knot is (sum of squared spline values)², with values 1/6, 2/3, 1/6.
    share = (1 / 6) ** 2 * 2 + (2 / 3) ** 2
    np.testing.assert_allclose(moves.std(axis=0), 0.02 * np.array([50, 100]) * share, rtol=0.2)


@pytest.mark.parametrize("seed", SEEDS)
def test_channels_stay_registered_to_the_bit(seed, cell):
    policy = Policy.from_config({name: {} for name in ("elastic", "flip", "rotate", "scale", "shear", "translate")})
    image = cell["dapi"]
    moved = policy({"brightfield": image, "dapi": image}, seed)
    np.testing.assert_array_equal(moved["brightfield"], moved["dapi"])
    assert np.abs(moved["dapi"] - image).max() > 0.05
    # What bright-field does not depend on whether DAPI is there.
    np.testing.assert_array_equal(policy({"brightfield": image}, seed)["brightfield"], moved["dapi"])


@dataclass(frozen=True)
class Down(GeometricOperation):
    """Fetches from `pixels` further down; not random."""

    pixels: float

    def __post_init__(self):
        pass

    def draw(self, seed, images):
        return tf.constant([self.pixels, 0.0], shape=(2, 1, 1, 1))

    def fetch(self, coordinates, drawn):
        return coordinates + drawn


def test_a_policy_interpolates_once(cell):
    there, back = Down(0.5), Down(-0.5)
    once = Policy({"there": there, "back": back})(cell, (0, 0))
    np.testing.assert_array_equal(once["dapi"], tf.clip_by_value(cell["dapi"], 0.0, 1.0))
    twice = back(there(cell, (0, 0)), (0, 0))
    assert np.abs(twice["dapi"] - once["dapi"]).max() > 0.001


def test_corners_of_a_turned_image_are_background():
    """A bright disc that nearly fills the frame must not come back, mirrored, in the corners."""
    rows, columns = pixel_grid(40, 40)[:, 0]
    disc = (0.01 + 0.5 * (np.hypot(rows, columns) < 14))[..., None].astype(np.float32)
    turned = resampled(disc, rotate(pixel_grid(40, 40), 45.0))[..., 0]
    outside = np.hypot(rows, columns) > 17
    np.testing.assert_allclose(turned[outside], 0.01, atol=1e-6)
