"""Frozen teachers: the features of each cell, from the teacher that was trained without it."""

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from tfctc.cells import DAPI
from tfctc.data.selection import FOLD


class Teachers:
    """One teacher for all cells, or one for each fold of the cells.

    Cross-fitting (Chernozhukov et al. 2018, arXiv 1608.00060): teacher k was trained without fold k and teaches fold k
    alone. So no cell is taught by a teacher that has seen its label. Each cell is run through one teacher.

    This is not a Keras layer, because the weights of teachers must not be trained or saved with those of the student.

    Args:
        networks: with_taps models over the same channels with outputs ``{tap: feature}``, one for each fold.
    """

    def __init__(self, networks: Sequence[keras.Model]):
        self._calls = [network.call for network in networks]
        self.channels = tuple(networks[0].input)
        self.shapes = {tap: tuple(output.shape) for tap, output in networks[0].output.items()}

    @property
    def see_dapi(self) -> bool:
        """Whether the teachers read DAPI."""
        return DAPI in self.channels

    def __call__(self, x: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Taps ``{tap: (B, ...)}`` of a batch, float32.

        Args:
            x: channel -> ``(B, H, W, 1)``; with several teachers also "fold", int32 ``(B,)``.
        """
        seen = {channel: x[channel] for channel in self.channels}
        if len(self._calls) == 1:
            taps = self._calls[0](seen, training=False)
        else:
            rows = [tf.cast(tf.where(x[FOLD] == fold)[:, 0], tf.int32) for fold in range(len(self._calls))]
            parts = [self._run(call, seen, own) for call, own in zip(self._calls, rows, strict=True)]
            taps = {tap: tf.dynamic_stitch(rows, [part[tap] for part in parts]) for tap in self.shapes}
        return {tap: tf.cast(value, tf.float32) for tap, value in taps.items()}

    @staticmethod
    def _run(call: Callable, seen: Mapping[str, tf.Tensor], rows: tf.Tensor) -> dict[str, tf.Tensor]:
        # A convolution fails on an empty batch. So the first cell is added, and its taps are dropped.
        rows = tf.concat([rows, [0]], 0)
        taps = call({channel: tf.gather(value, rows) for channel, value in seen.items()}, training=False)
        return {tap: value[:-1] for tap, value in taps.items()}
