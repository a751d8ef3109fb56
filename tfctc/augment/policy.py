"""Which operations a cell goes through, how strong, and in which order."""

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf

from tfctc.augment import geometric, illumination, noise  # noqa: F401  (registers the operations)
from tfctc.augment.geometric import GeometricOperation, grid_of, warp
from tfctc.augment.operation import AUGMENTATIONS, Channels, Operation
from tfctc.config import from_dict


@dataclass(frozen=True)
class Policy:
    """Geometry once for all channels, then illumination and noise on each, then one clip to [0, 1].

    Every operation draws from a seed of its own, folded from the batch's seed and its name: adding or removing one
    leaves the draws of the others as they were. The repr is the log line.

    Args:
        operations: name -> operation, in the order in which they act.
    """

    operations: Mapping[str, Operation]

    @classmethod
    def from_config(cls, parts: Mapping[str, Mapping[str, Any]] | None) -> "Policy":
        """Builds the policy of a configuration such as ``{"rotate": {"degrees": 90}, "gain": {}}``.

        Args:
            parts: operation -> its strengths; a strength left out has its default. None is the default policy, every
                registered operation at its defaults; an empty table augments nothing. The order does not matter.

        Raises:
            ConfigError: an unknown operation or strength (the known ones are listed), or a value out of range.
        """
        parts = {name: {} for name in AUGMENTATIONS} if parts is None else parts
        operations = {
            name: from_dict(AUGMENTATIONS[name], strengths, f"augment.{name}.") for name, strengths in parts.items()
        }
        return cls({name: operations[name] for name in sorted(operations, key=lambda n: (operations[n].stage, n))})

    def to_config(self) -> dict[str, dict[str, float]]:
        """What `from_config` makes this policy from, every strength spelled out."""
        return {name: asdict(operation) for name, operation in self.operations.items()}

    def __call__(self, channels: Channels, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Augments a batch of cells, each in its own way.

        Args:
            channels: channel -> float32 ``(B, H, W, 1)`` in [0, 1]; height and width static, 2 px or more, and the
                same in every channel. Any subset of the channels will do; operations of an absent one do nothing.
            seed: int32 ``(2,)``; alone decides the result.

        Returns:
            The same keys and shapes, in [0, 1].
        """
        seeds = {name: tf.random.fold_in(seed, zlib.crc32(name.encode()) & 0x7FFFFFFF) for name in self.operations}
        moves = {n: op for n, op in self.operations.items() if isinstance(op, GeometricOperation)}
        if moves:
            coordinates = grid_of(next(iter(channels.values())))
            for name, operation in moves.items():
                coordinates = operation.fetch(coordinates, seeds[name])
            channels = warp(channels, coordinates)
        for name, operation in self.operations.items():
            if name not in moves:
                channels = operation(channels, seeds[name])
        return {name: tf.clip_by_value(images, 0.0, 1.0) for name, images in channels.items()}
