"""Operations on focus and noise, with strengths of their own for each channel.

Images are float32 ``(B, H, W, 1)`` and not clipped here. Random parameters are ``(B, 1, 1, 1)``, one for each cell.
Noise is in units of the image's own contrast (see `levels`). So an all-zero image, such as a missing DAPI image, stays
all zero.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfctc.augment.operation import AUGMENTATIONS, ChannelOperation, Stage, levels, strength
from tfctc.augment.randomness import normal, uniform
from tfctc.cells import BRIGHTFIELD, DAPI


def blur(images: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Gaussian blur of standard deviation `sigma` in pixels; at the border, weights inside are scaled to sum to 1."""
    # exp(-(1 / 1e-3)² / 2) is exactly 0 in float32: a sigma up to 1e-3 changes nothing, and 0 / 0 cannot occur.
    scale = -0.5 / tf.maximum(sigma[..., 0], 1e-3) ** 2
    weights = {}
    for size in set(images.shape[1:3]):
        distance = np.arange(size, dtype=np.float32)[:, np.newaxis] - np.arange(size, dtype=np.float32)
        weight = tf.exp(scale * distance**2)
        weights[size] = weight / tf.reduce_sum(weight, axis=2, keepdims=True)
    rows, columns = (weights[size] for size in images.shape[1:3])
    return tf.matmul(rows @ images[..., 0], columns, transpose_b=True)[..., tf.newaxis]


def shot(images: tf.Tensor, contrasts: tf.Tensor, deviates: tf.Tensor) -> tf.Tensor:
    """Images with photon noise: its variance is proportional to the pixel value (the normal limit of Poisson counts).

    Args:
        images: ``(B, H, W, 1)``; values below zero get no noise.
        contrasts: standard deviation at the image's high level, in units of its contrast.
        deviates: ``(B, H, W, 1)`` standard normal numbers.
    """
    low, high = levels(images)
    deviation = contrasts * (high - low) * tf.sqrt(tf.maximum(tf.math.divide_no_nan(images, high), 0.0))
    return images + deviation * deviates


def read(images: tf.Tensor, contrasts: tf.Tensor, deviates: tf.Tensor) -> tf.Tensor:
    """Images with camera noise: the same standard deviation everywhere, in units of the image's contrast.

    Args:
        images: ``(B, H, W, 1)``.
        contrasts: standard deviation, in units of the image's contrast.
        deviates: ``(B, H, W, 1)`` standard normal numbers.
    """
    low, high = levels(images)
    return images + contrasts * (high - low) * deviates


def _draw(seed: tf.Tensor, images: tf.Tensor, most: float) -> tuple[tf.Tensor, tf.Tensor]:
    """A standard deviation for each cell, uniform from 0 to `most`, and standard normal numbers for each pixel."""
    seeds = tf.random.split(seed, 2)
    return uniform(seeds[0], images, 0.0, most), normal(seeds[1], images)


@AUGMENTATIONS.register("blur")
@dataclass(frozen=True)
class Blur(ChannelOperation):
    """Slight defocus.

    Args:
        pixels: largest standard deviation of the Gaussian, in pixels.
    """

    stage = Stage.OPTICS
    channel = BRIGHTFIELD
    pixels: float = strength(0.7)

    def draw(self, seed, images):
        return uniform(seed, images, 0.0, self.pixels)

    def apply(self, images, drawn):
        return blur(images, drawn)


@AUGMENTATIONS.register("dapi_blur")
@dataclass(frozen=True)
class DapiBlur(Blur):
    """`Blur` for DAPI, which has a focus of its own: another wavelength, often another plane."""

    channel = DAPI


@AUGMENTATIONS.register("shot")
@dataclass(frozen=True)
class ShotNoise(ChannelOperation):
    """Photon noise.

    Args:
        contrasts: largest standard deviation where the image is brightest, in units of its contrast.
    """

    stage = Stage.PHOTONS
    channel = BRIGHTFIELD
    contrasts: float = strength(0.02)

    def draw(self, seed, images):
        return _draw(seed, images, self.contrasts)

    def apply(self, images, drawn):
        return shot(images, *drawn)


@AUGMENTATIONS.register("dapi_shot")
@dataclass(frozen=True)
class DapiShotNoise(ShotNoise):
    """`ShotNoise` for DAPI: stronger, because photons are few, and nearly none on the dark background."""

    channel = DAPI
    contrasts: float = strength(0.03)


@AUGMENTATIONS.register("read")
@dataclass(frozen=True)
class ReadNoise(ChannelOperation):
    """Read noise of the camera.

    Args:
        contrasts: largest standard deviation, in units of the image's contrast.
    """

    stage = Stage.READOUT
    channel = BRIGHTFIELD
    contrasts: float = strength(0.02)

    def draw(self, seed, images):
        return _draw(seed, images, self.contrasts)

    def apply(self, images, drawn):
        return read(images, *drawn)


@AUGMENTATIONS.register("dapi_read")
@dataclass(frozen=True)
class DapiReadNoise(ReadNoise):
    """`ReadNoise` for DAPI, whose contrast is far above the camera's noise."""

    channel = DAPI
    contrasts: float = strength(0.005)
