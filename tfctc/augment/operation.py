"""Augmentation operations: frozen dataclasses of strengths, images in, images out, randomness as an argument.

Everything works on a whole batch: one cell at a time, TensorFlow spends most of its time between the operations.
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
#: The random numbers of an operation.
Drawn: TypeAlias = tf.Tensor | tuple[tf.Tensor, ...]
#: Side in pixels of the blocks whose means `levels` compares.
BLOCK = 4


class Stage(IntEnum):
    """Stage of an operation, in the order of the light: the cell lies somewhere, is lit, imaged, counted, read out."""

    GEOMETRY = 0
    ILLUMINATION = 1
    OPTICS = 2
    PHOTONS = 3
    READOUT = 4


def strength(default: float, most: float = math.inf) -> Any:
    """A dataclass field that is 0 (the operation changes nothing) or more, up to `most`."""
    return dataclasses.field(default=default, metadata={"most": most})


@dataclass(frozen=True)
class Operation:
    """One random change, of its own strength for each cell. All strengths, the fields, at zero are the exact identity.

    Nothing is clipped.

    Raises:
        ConfigError: a strength that is negative, not finite, or above what it allows.
    """

    stage: ClassVar[Stage]

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, most = getattr(self, field.name), field.metadata["most"]
            if not (math.isfinite(value) and 0 <= value <= most):
                limit = "0 or more" if most == math.inf else f"0 to {most}"
                raise ConfigError(f"{type(self).__name__}: {field.name} must be {limit}, got {value}")

    def __call__(self, channels: Channels, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Channels of the same keys and shapes. `seed`, int32 ``(2,)``, decides every random number of the batch."""
        raise NotImplementedError

    def draw(self, seed: tf.Tensor, images: tf.Tensor) -> Drawn:
        """All the random numbers for a batch of the shape ``(B, H, W, 1)`` of `images`, of its own for each cell.

        Apart from what is done with them, because that is compiled by XLA, which would draw the numbers anew wherever
        one is used.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class ChannelOperation(Operation):
    """Changes the images of one channel and hands every other one through."""

    channel: ClassVar[str]

    def __call__(self, channels, seed):
        if self.channel not in channels:
            return dict(channels)
        images = channels[self.channel]
        return {**channels, self.channel: self.apply(images, self.draw(seed, images))}

    def apply(self, images: tf.Tensor, drawn: Drawn) -> tf.Tensor:
        """``(B, H, W, 1)`` to ``(B, H, W, 1)``; `drawn` is what `draw` gave."""
        raise NotImplementedError


#: Operations by the name a configuration gives them.
AUGMENTATIONS: Registry[type[Operation]] = Registry("augmentation", package="tfctc.augment", group="augmentations")


def levels(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The darkest and the brightest level of an image; their difference is its *contrast*, the unit of many strengths.

    Levels are the smallest and largest mean over 4 x 4 px blocks: blind to single hot pixels and nearly to pixel noise,
    and ten times cheaper than percentiles, which need a sort. An empty (all zero) image has contrast 0.

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
