"""Base classes and registry of the augmentation operations: frozen dataclasses of strengths.

Operations change a whole batch at once: with one cell at a time, TensorFlow spends most of the time on calls.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, TypeAlias

import tensorflow as tf

from tfctc.errors import ConfigError
from tfctc.registry import Registry

#: Channel -> its images, float32 ``(B, H, W, 1)`` with a static height and width.
Channels: TypeAlias = Mapping[str, tf.Tensor]
#: Random parameters of an operation for a batch, with a value for each cell.
Drawn: TypeAlias = tf.Tensor | tuple[tf.Tensor, ...]
#: Side in pixels of the blocks whose means `levels` compares.
BLOCK = 4


class Stage(IntEnum):
    """Stages of operations, in the order in which they act: position of the cell, light, optics, photons, readout."""

    GEOMETRY = 0
    ILLUMINATION = 1
    OPTICS = 2
    PHOTONS = 3
    READOUT = 4


def strength(default: float, most: float = math.inf) -> Any:
    """Dataclass field for a strength: 0 (the operation changes nothing) or more, at most `most`."""
    return dataclasses.field(default=default, metadata={"most": most})


@dataclass(frozen=True)
class Operation:
    """One random change of a batch, with random parameters of its own for each cell.

    The fields are the strengths. With all of them 0, the operation is exactly the identity. Pixels are not clipped.

    Raises:
        ConfigError: a strength that is negative, not finite, or above its limit.
    """

    stage: ClassVar[Stage]

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, most = getattr(self, field.name), field.metadata["most"]
            if not (math.isfinite(value) and 0 <= value <= most):
                limit = "0 or more" if most == math.inf else f"0 to {most}"
                raise ConfigError(f"{type(self).__name__}: {field.name} must be {limit}, got {value}")

    def __call__(self, channels: Channels, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Changed channels of the same keys and shapes.

        Args:
            channels: channel -> images.
            seed: int32 ``(2,)``; alone decides all random numbers.
        """
        raise NotImplementedError

    def draw(self, seed: tf.Tensor, images: tf.Tensor) -> Drawn:
        """Random parameters for a batch, with a value for each cell.

        They are drawn apart from their use. The use is compiled by XLA, which would draw a number again wherever it is
        needed.

        Args:
            seed: int32 ``(2,)``; alone decides all random numbers.
            images: ``(B, H, W, 1)``, of which only the shape counts.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class ChannelOperation(Operation):
    """Base class of the operations that change the images of one channel only."""

    channel: ClassVar[str]

    def __call__(self, channels, seed):
        if self.channel not in channels:
            return dict(channels)
        images = channels[self.channel]
        return {**channels, self.channel: self.apply(images, self.draw(seed, images))}

    def apply(self, images: tf.Tensor, drawn: Drawn) -> tf.Tensor:
        """Changed images, ``(B, H, W, 1)``.

        Args:
            images: ``(B, H, W, 1)`` float32.
            drawn: result of `draw`.
        """
        raise NotImplementedError


#: Classes of operations, by their names in the settings.
AUGMENTATIONS: Registry[type[Operation]] = Registry("augmentation", package="tfctc.augment", group="augmentations")


def levels(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Darkest and brightest level of each image; their difference is its *contrast*, the unit of many strengths.

    Levels are the smallest and largest mean over blocks of `BLOCK` x `BLOCK` px. Single hot pixels and pixel noise
    hardly change them. They are ten times cheaper than percentiles, which need a sort. The contrast of an all-zero
    image is 0.

    Args:
        images: ``(B, H, W, 1)``; rows and columns beyond a multiple of the block are left out.

    Returns:
        Two ``(B, 1, 1, 1)``, low and high.
    """
    height, width = images.shape[1:3]
    block = min(BLOCK, height, width)
    rows, columns = height // block, width // block
    blocks = tf.reshape(images[:, : rows * block, : columns * block], (-1, rows, block, columns, block))
    means = tf.reduce_mean(blocks, axis=(2, 4))[..., tf.newaxis]
    return tuple(reduce(means, axis=(1, 2, 3), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
