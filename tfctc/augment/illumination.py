"""Operations on illumination and exposure, some for bright-field and some for DAPI.

Images are float32 ``(B, H, W, 1)``, in [0, 1] of the camera's full scale at first, and not clipped here. Random
parameters are ``(B, 1, 1, 1)``, one for each cell. A real image may fill a narrow part of the range. So every strength
is relative to the image's own level (a factor) or to its own contrast (see `levels`). An all-zero image, such as a
missing DAPI image, stays all zero.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfctc.augment.operation import AUGMENTATIONS, ChannelOperation, Stage, levels, strength
from tfctc.augment.randomness import uniform
from tfctc.cells import BRIGHTFIELD, DAPI


def gain(images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Images times a factor: more or less light, or a longer or shorter exposure."""
    return images * factor


def offset(images: tf.Tensor, contrasts: tf.Tensor) -> tf.Tensor:
    """Images plus a constant in units of the image's contrast."""
    low, high = levels(images)
    return images + contrasts * (high - low)


def gamma(images: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """Gamma correction between the image's own low and high level; these levels and values beyond do not change."""
    low, high = levels(images)
    tone = tf.clip_by_value(tf.math.divide_no_nan(images - low, high - low), 0.0, 1.0)
    # tone ** (exponent - 1), five times faster than TensorFlow's power; where tone is 0 the product is 0.
    bend = tf.exp((exponent - 1.0) * tf.math.log(tf.maximum(tone, 1e-30)))
    return images + (high - low) * (tone * bend - tone)


def _edges(images: tf.Tensor) -> list[np.ndarray]:
    """Row ``(H, 1, 1)`` and column ``(W, 1)`` of each pixel; -1 and 1 are the centres of the outermost pixels."""
    rows, columns = (np.linspace(-1, 1, size, dtype=np.float32) for size in images.shape[1:3])
    return [rows[:, np.newaxis, np.newaxis], columns[:, np.newaxis]]


def gradient(images: tf.Tensor, slopes: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Uneven light: images times ``1 + slopes · (row, column)``; row and column are -1 to 1 from edge to edge."""
    rows, columns = _edges(images)
    return images * (1.0 + slopes[0] * rows + slopes[1] * columns)


def vignette(images: tf.Tensor, loss: tf.Tensor, centre: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Light that falls off from the optical axis: images times ``1 - loss r²`` (the cos⁴ law to second order).

    Args:
        images: ``(B, H, W, 1)``.
        loss: share lost at r = 1, half a diagonal away from the axis.
        centre: row and column of the axis, -1 to 1 from edge to edge.
    """
    rows, columns = _edges(images)
    return images * (1.0 - loss / 2 * ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2))


def bleach(images: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Images less a share of their fluorescence; the background, the image's low level, does not change."""
    low, _ = levels(images)
    return images - share * (images - low)


@AUGMENTATIONS.register("gain")
@dataclass(frozen=True)
class Gain(ChannelOperation):
    """Change of the lamp or the exposure: a factor.

    Args:
        log: the natural logarithm of the factor is uniform from -`log` to `log`; 0.1 is a factor of 0.90 to 1.11.
    """

    stage = Stage.ILLUMINATION
    channel = BRIGHTFIELD
    log: float = strength(0.1)

    def draw(self, seed, images):
        return tf.exp(uniform(seed, images, -self.log, self.log))

    def apply(self, images, drawn):
        return gain(images, drawn)


@AUGMENTATIONS.register("dapi_gain")
@dataclass(frozen=True)
class DapiGain(Gain):
    """`Gain` for DAPI: lamp, exposure and uptake of the stain.

    Keep it well below a factor of two: the brightness of a nucleus also tells its DNA content.
    """

    channel = DAPI
    log: float = strength(0.15)


@AUGMENTATIONS.register("offset")
@dataclass(frozen=True)
class Offset(ChannelOperation):
    """Change of the camera's black level: a constant that is added.

    Args:
        contrasts: largest shift in either direction, in units of the image's contrast.
    """

    stage = Stage.ILLUMINATION
    channel = BRIGHTFIELD
    contrasts: float = strength(0.1)

    def draw(self, seed, images):
        return uniform(seed, images, -self.contrasts, self.contrasts)

    def apply(self, images, drawn):
        return offset(images, drawn)


@AUGMENTATIONS.register("dapi_background")
@dataclass(frozen=True)
class DapiBackground(ChannelOperation):
    """Haze of unbound stain and of light out of focus: a constant that is added.

    It is never negative: below zero, DAPI's dark background would be clipped.

    Args:
        contrasts: largest haze, in units of the image's contrast.
    """

    stage = Stage.ILLUMINATION
    channel = DAPI
    contrasts: float = strength(0.05)

    def draw(self, seed, images):
        return uniform(seed, images, 0.0, self.contrasts)

    def apply(self, images, drawn):
        return offset(images, drawn)


@AUGMENTATIONS.register("dapi_bleaching")
@dataclass(frozen=True)
class DapiBleaching(ChannelOperation):
    """Fluorescence lost by earlier exposures.

    Args:
        share: largest share of the fluorescence that is lost.
    """

    stage = Stage.ILLUMINATION
    channel = DAPI
    share: float = strength(0.1, most=1.0)

    def draw(self, seed, images):
        return uniform(seed, images, 0.0, self.share)

    def apply(self, images, drawn):
        return bleach(images, drawn)


@AUGMENTATIONS.register("gamma")
@dataclass(frozen=True)
class Gamma(ChannelOperation):
    """Change of the tone curve (gamma).

    Args:
        log: the natural logarithm of the exponent is uniform from -`log` to `log`.
    """

    stage = Stage.ILLUMINATION
    channel = BRIGHTFIELD
    log: float = strength(0.1)

    def draw(self, seed, images):
        return tf.exp(uniform(seed, images, -self.log, self.log))

    def apply(self, images, drawn):
        return gamma(images, drawn)


@AUGMENTATIONS.register("gradient")
@dataclass(frozen=True)
class Gradient(ChannelOperation):
    """Linear change of the light across the image in any direction, as of a condenser off centre.

    Args:
        share: largest relative change from the centre of the image to its edge.
    """

    stage = Stage.ILLUMINATION
    channel = BRIGHTFIELD
    share: float = strength(0.05, most=0.7)

    def draw(self, seed, images):
        seeds = tf.random.split(seed, 2)
        share, angle = uniform(seeds[0], images, 0.0, self.share), uniform(seeds[1], images, 0.0, 2 * np.pi)
        return share * tf.sin(angle), share * tf.cos(angle)

    def apply(self, images, drawn):
        return gradient(images, drawn)


@AUGMENTATIONS.register("vignette")
@dataclass(frozen=True)
class Vignette(ChannelOperation):
    """Light lost away from the optical axis, which may lie up to half way from the centre to the edges.

    Args:
        share: largest share of the light that is lost half a diagonal away from the axis.
    """

    stage = Stage.ILLUMINATION
    channel = BRIGHTFIELD
    share: float = strength(0.05, most=0.4)

    def draw(self, seed, images):
        seeds = tf.random.split(seed, 3)
        loss, *centre = (uniform(seeds[i], images) for i in range(3))
        return self.share * loss, *(place - 0.5 for place in centre)

    def apply(self, images, drawn):
        loss, *centre = drawn
        return vignette(images, loss, centre)
