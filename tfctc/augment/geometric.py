"""Geometric operations: all channels of a cell move alike, so that they stay aligned to parts of a pixel.

Operations work by inverse mapping: each gives the input coordinates of every output pixel. The coordinates of all
operations are composed and the image is resampled once, because every interpolation blurs.

*Coordinates* are float32 ``(2, B, H, W)``: row and column of each pixel, in pixels from the image centre.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import tensorflow as tf

from tfctc.augment.operation import AUGMENTATIONS, Channels, Drawn, Operation, Stage, strength
from tfctc.augment.randomness import uniform

#: Number of knots along each side of the elastic displacement. Its waves are about a quarter of the image long, wider
#: than the edge of a nucleus.
KNOTS = 5
#: Width in pixels of the border strip that is mirrored repeatedly to fill places outside the image.
BORDER = 4


@cache
def pixel_grid(height: int, width: int) -> np.ndarray:
    """Identity coordinates ``(2, 1, H, W)``: every output pixel comes from its own place."""
    rows, columns = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    return np.stack(np.meshgrid(rows, columns, indexing="ij")).astype(np.float32)[:, np.newaxis]


def grid_of(images: tf.Tensor) -> tf.Tensor:
    """Identity coordinates ``(2, B, H, W)`` for images ``(B, H, W, C)``."""
    _, height, width, _ = images.shape
    return tf.broadcast_to(pixel_grid(height, width), (2, tf.shape(images)[0], height, width))


def _keys(t: tf.Tensor) -> list[tf.Tensor]:
    """Weights of cubic convolution (Keys 1981, a = -1/2) for the neighbours at -1, 0, 1, 2 of a point 0 <= t <= 1."""
    return [
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]


# XLA fuses the 16 neighbours of each pixel into one loop: seven times faster than op by op.
@tf.function(jit_compile=True, autograph=False)
def resample(images: tf.Tensor, coordinates: tf.Tensor) -> tf.Tensor:
    """Images resampled at the given coordinates by cubic convolution (Keys 1981, IEEE Trans. ASSP 29:1153).

    Linear interpolation removes a quarter of the fine structure (Laplacian) of a rotated cell image, cubic a tenth;
    test images are not interpolated at all. The weights sum to 1. At whole pixels they are exactly 0 and 1.

    Places outside the image are filled from a border strip of `BORDER` px, which is mirrored repeatedly. So background
    goes on as background, noise included. The last pixel repeated would become streaks, and the whole image mirrored
    would bring pieces of the cell into the corners.

    Args:
        images: ``(B, H, W, C)`` float32, H and W 2 or more; the channels move together.
        coordinates: ``(2, B, H, W)``.

    Returns:
        ``(B, H, W, C)``; may overshoot the range of `images` beside a sharp edge by about a tenth of the step.
    """
    _, height, width, channels = images.shape
    bases, weights = [], []
    for axis, size in enumerate((height, width)):
        last = size - 1.0
        place = coordinates[axis] + last / 2
        inside = tf.clip_by_value(place, 0.0, last)
        border = min(float(BORDER), last)
        beyond = tf.abs(place - inside)
        # The remainder is written out because XLA's own is not vectorised.
        depth = border - tf.abs(beyond - 2 * border * tf.floor(beyond / (2 * border)) - border)
        place = inside + tf.sign(inside - place) * depth
        base = tf.minimum(tf.floor(place), last - 1.0)
        bases.append(tf.cast(base, tf.int32))
        weights.append(_keys((place - base)[..., tf.newaxis]))
    pixels = tf.reshape(tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"), (-1, channels))
    first = tf.range(tf.shape(images)[0]) * ((height + 2) * (width + 2))
    corner = first[:, tf.newaxis, tf.newaxis] + bases[0] * (width + 2) + bases[1]
    result = tf.zeros_like(images)
    for row, row_weight in enumerate(weights[0]):
        start = corner + row * (width + 2)
        taps = [weight * tf.gather(pixels, start + column) for column, weight in enumerate(weights[1])]
        result += row_weight * tf.add_n(taps)
    return result


# XLA concatenates in half the time of TensorFlow. Within `resample` it would repeat this for each of the 16 neighbours.
@tf.function(jit_compile=True, autograph=False)
def _side_by_side(images: list[tf.Tensor]) -> tf.Tensor:
    return tf.concat(images, axis=-1)


def warp(channels: Channels, coordinates: tf.Tensor) -> dict[str, tf.Tensor]:
    """All channels resampled at the same coordinates ``(2, B, H, W)``."""
    moved = resample(_side_by_side(list(channels.values())), coordinates)
    return dict(zip(channels, tf.split(moved, len(channels), axis=-1), strict=True))


@dataclass(frozen=True)
class GeometricOperation(Operation):
    """Base class of the geometric operations, which change coordinates in `fetch`.

    A policy composes the coordinates of all its geometric operations before it resamples once.
    """

    stage = Stage.GEOMETRY

    def __call__(self, channels, seed):
        images = next(iter(channels.values()))
        return warp(channels, self.fetch(grid_of(images), self.draw(seed, images)))

    def fetch(self, coordinates: tf.Tensor, drawn: Drawn) -> tf.Tensor:
        """Input coordinates of the output pixels, ``(2, B, H, W)``.

        Args:
            coordinates: coordinates of the output pixels, ``(2, B, H, W)``.
            drawn: result of `draw`.
        """
        raise NotImplementedError


def rotate(coordinates: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """Coordinates that turn the image by `degrees` ``(B, 1, 1)``, counter-clockwise as displayed (as `numpy.rot90`)."""
    angle = degrees * (np.pi / 180)
    cos, sin = tf.cos(angle), tf.sin(angle)
    row, column = tf.unstack(coordinates)
    return tf.stack([cos * row + sin * column, cos * column - sin * row])


def shear(coordinates: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
    """Coordinates that shift each row along itself: row r comes from ``tangent * r`` px further right.

    Args:
        coordinates: ``(2, B, H, W)``.
        tangent: ``(B, 1, 1)``.
    """
    row, column = tf.unstack(coordinates)
    return tf.stack([row, column + tangent * row])


@cache
def _spline_basis(height: int, width: int) -> np.ndarray:
    """Products of cubic B-splines, ``(KNOTS * KNOTS, H * W)``; knots evenly spaced from the first to the last pixel."""
    lines = []
    for size in (height, width):
        distance = np.abs(np.linspace(0, KNOTS - 1, size)[:, np.newaxis] - np.arange(KNOTS))
        near, far = 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6
        lines.append(np.where(distance < 1, near, far))
    return np.einsum("hk,wl->klhw", *lines).reshape(KNOTS**2, -1).astype(np.float32)


def elastic(coordinates: tf.Tensor, displacements: tf.Tensor) -> tf.Tensor:
    """Coordinates plus a smooth displacement: cubic B-splines of coefficients ``(2, B, KNOTS, KNOTS)``, in pixels."""
    _, _, height, width = coordinates.shape
    # One matrix product for the whole batch: batched matmul is ten times slower on matrices this small.
    moves = tf.reshape(displacements, (-1, KNOTS**2)) @ _spline_basis(height, width)
    return coordinates + tf.reshape(moves, (2, -1, height, width))


def _sides(images: tf.Tensor) -> np.ndarray:
    """Height and width in pixels, ``(2, 1, 1, 1)``, to scale coordinates."""
    return np.float32(images.shape[1:3]).reshape(2, 1, 1, 1)


def _draw(seed: tf.Tensor, images: tf.Tensor, most: float) -> tf.Tensor:
    """A random number for each cell, uniform from -`most` to `most`: ``(B, 1, 1)``."""
    return uniform(seed, images, -most, most)[..., 0]


@AUGMENTATIONS.register("flip")
@dataclass(frozen=True)
class Flip(GeometricOperation):
    """Mirror image; exact, no pixel value changes.

    Args:
        horizontal: probability that left and right are exchanged.
        vertical: probability that top and bottom are exchanged.
    """

    horizontal: float = strength(0.5, most=1.0)
    vertical: float = strength(0.5, most=1.0)

    def draw(self, seed, images):
        probability = np.array([self.vertical, self.horizontal], np.float32).reshape(2, 1, 1, 1)
        return tf.where(tf.random.stateless_uniform((2, tf.shape(images)[0], 1, 1), seed) < probability, -1.0, 1.0)

    def fetch(self, coordinates, drawn):
        return coordinates * drawn


@AUGMENTATIONS.register("rotate")
@dataclass(frozen=True)
class Rotate(GeometricOperation):
    """Rotation about the image centre.

    Args:
        degrees: largest angle in either direction; with 180 every angle is possible.
    """

    degrees: float = strength(180.0, most=180.0)

    def draw(self, seed, images):
        return _draw(seed, images, self.degrees)

    def fetch(self, coordinates, drawn):
        return rotate(coordinates, drawn)


@AUGMENTATIONS.register("translate")
@dataclass(frozen=True)
class Translate(GeometricOperation):
    """Translation, also by parts of a pixel.

    Args:
        fraction: largest shift in either direction, as a fraction of height and width.
    """

    fraction: float = strength(0.05, most=0.5)

    def draw(self, seed, images):
        size = (2, tf.shape(images)[0], 1, 1)
        return tf.random.stateless_uniform(size, seed, -self.fraction, self.fraction) * _sides(images)

    def fetch(self, coordinates, drawn):
        return coordinates + drawn


@AUGMENTATIONS.register("scale")
@dataclass(frozen=True)
class Scale(GeometricOperation):
    """Magnification. Keep it small: CTCs and leukocytes differ in size.

    Args:
        log: the natural logarithm of the factor is uniform from -`log` to `log`; 0.05 is a factor of 0.95 to 1.05.
    """

    log: float = strength(0.05, most=1.0)

    def draw(self, seed, images):
        return tf.exp(_draw(seed, images, self.log))

    def fetch(self, coordinates, drawn):
        return coordinates * drawn


@AUGMENTATIONS.register("shear")
@dataclass(frozen=True)
class Shear(GeometricOperation):
    """Shear along the rows; together with a full rotation, in every direction.

    Args:
        tangent: largest tangent of the angle of shear in either direction, columns for each row.
    """

    tangent: float = strength(0.05, most=1.0)

    def draw(self, seed, images):
        return _draw(seed, images, self.tangent)

    def fetch(self, coordinates, drawn):
        return shear(coordinates, drawn)


@AUGMENTATIONS.register("elastic")
@dataclass(frozen=True)
class Elastic(GeometricOperation):
    """Smooth elastic deformation.

    Args:
        fraction: standard deviation of the spline's coefficient at each knot, as a fraction of height and width; that
            of the displacement is about half of it. At 0.1 the image can fold over itself.
    """

    fraction: float = strength(0.015, most=0.1)

    def draw(self, seed, images):
        size = (2, tf.shape(images)[0], KNOTS, KNOTS)
        return self.fraction * tf.random.stateless_normal(size, seed) * _sides(images)

    def fetch(self, coordinates, drawn):
        return elastic(coordinates, drawn)
