"""Augmentation policy: operations, their strengths and their order."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import tensorflow as tf

from tfctc.augment.geometric import GeometricOperation, grid_of, warp
from tfctc.augment.operation import AUGMENTATIONS, ChannelOperation, Channels, Operation
from tfctc.config import from_dict


@dataclass(frozen=True)
class Policy:
    """Sequence of operations: geometry once for all channels, then light and noise on each, then a clip to [0, 1].

    Every operation has a seed of its own, made from the batch's seed and the operation's name. So adding or removing an
    operation does not change the random numbers of the others. The repr is the log line.

    Args:
        operations: name -> operation, in the order in which they act.
    """

    operations: Mapping[str, Operation]

    @classmethod
    def from_config(cls, parts: Mapping[str, Mapping[str, Any]] | None) -> "Policy":
        """Builds the policy of a configuration such as ``{"rotate": {"degrees": 90}, "gain": {}}``.

        Args:
            parts: name of an operation -> its strengths; a missing strength has its default. None is the default
                policy: every registered operation at its defaults. An empty table augments nothing. The order of the
                names does not matter.

        Raises:
            ConfigError: an unknown operation or strength (the known ones are listed), or a value out of range.
        """
        parts = {name: {} for name in AUGMENTATIONS} if parts is None else parts
        operations = {
            name: from_dict(AUGMENTATIONS[name], strengths, f"augment.{name}.") for name, strengths in parts.items()
        }
        return cls({name: operations[name] for name in sorted(operations, key=lambda n: (operations[n].stage, n))})

    def to_config(self) -> dict[str, dict[str, float]]:
        """Configuration of this policy for `from_config`, with every strength."""
        return {name: asdict(operation) for name, operation in self.operations.items()}

    def __call__(self, channels: Channels, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Augmented batch, with other random changes for each cell.

        Args:
            channels: channel -> float32 ``(B, H, W, 1)`` in [0, 1]; height and width static, 2 px or more, and the
                same in every channel. Channels may be missing; their operations do nothing.
            seed: int32 ``(2,)``; alone decides all random numbers.

        Returns:
            The same keys and shapes, in [0, 1].
        """
        seeds = {name: tf.random.fold_in(seed, zlib.crc32(name.encode()) & 0x7FFFFFFF) for name in self.operations}
        images = next(iter(channels.values()))
        moves = {n: op for n, op in self.operations.items() if isinstance(op, GeometricOperation)}
        changes = {
            n: op for n, op in self.operations.items() if isinstance(op, ChannelOperation) and op.channel in channels
        }
        drawn = {n: op.draw(seeds[n], images) for n, op in (moves | changes).items()}
        if moves:
            coordinates = _compiled_geometry(tuple(moves.values()))(images, [drawn[name] for name in moves])
            channels = warp(channels, coordinates)
        return _compiled_changes(tuple(changes.values()))(dict(channels), [drawn[name] for name in changes])


# XLA fuses many small operations into one loop, which halves the time. Coordinates and resampling are compiled apart:
# together, XLA would compute the coordinates again for each of the 16 neighbours of a pixel.
@cache
def _compiled_geometry(operations: tuple[GeometricOperation, ...]) -> Callable[..., tf.Tensor]:
    """Function (images, random parameters of the operations) -> coordinates; only the shape of the images counts."""

    @tf.function(jit_compile=True, autograph=False)
    def move(images, drawn):
        coordinates = grid_of(images)
        for operation, numbers in zip(operations, drawn, strict=True):
            coordinates = operation.fetch(coordinates, numbers)
        return coordinates

    return move


@cache
def _compiled_changes(operations: tuple[ChannelOperation, ...]) -> Callable[..., dict[str, tf.Tensor]]:
    """Function (channels, random parameters of the operations) -> channels clipped to [0, 1]."""

    @tf.function(jit_compile=True, autograph=False)
    def change(channels, drawn):
        for operation, numbers in zip(operations, drawn, strict=True):
            images = channels[operation.channel]
            channels = channels | {operation.channel: operation.apply(images, numbers)}
        return {name: tf.clip_by_value(images, 0.0, 1.0) for name, images in channels.items()}

    return change
