"""Frozen teachers, and which of them a cell asks."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfctc.cells import DAPI
from tfctc.data.selection import FOLD


class Teachers:
    """What one teacher, or the teacher of each cell's fold, has to say.

    Cross-fitting (Chernozhukov et al. 2018, arXiv 1608.00060): teacher k was trained without fold k and answers for
    fold k alone, so that no answer is one learnt by heart. All together they see each cell once, as one teacher would.

    Not a Keras layer: the teachers' weights must not be counted as a student's, to train or to save.

    Args:
        networks: tapped models over the same channels with outputs ``{tap: feature}``, one for each fold.
    """

    def __init__(self, networks: Sequence[keras.Model]):
        self._calls = [network.call for network in networks]
        self.channels = tuple(networks[0].input)
        self.shapes = {tap: tuple(output.shape) for tap, output in networks[0].output.items()}

    @property
    def see_dapi(self) -> bool:
        return DAPI in self.channels

    def __call__(self, x: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """``{tap: (B, ...)}`` in float32; of several teachers, `x` must hold "fold", int32 ``(B,)``."""
        seen = {channel: x[channel] for channel in self.channels}
        if len(self._calls) == 1:
            answers = self._calls[0](seen, training=False)
        else:
            places = [tf.cast(tf.where(x[FOLD] == fold)[:, 0], tf.int32) for fold in range(len(self._calls))]
            parts = [self._ask(call, seen, place) for call, place in zip(self._calls, places, strict=True)]
            answers = {tap: tf.dynamic_stitch(places, [part[tap] for part in parts]) for tap in self.shapes}
        return {tap: tf.cast(value, tf.float32) for tap, value in answers.items()}

    @staticmethod
    def _ask(call, seen: Mapping[str, tf.Tensor], place: tf.Tensor) -> dict[str, tf.Tensor]:
        # The first cell is asked about as well, and its answer dropped: convolutions do not take an empty batch.
        place = tf.concat([place, [0]], 0)
        answers = call({channel: tf.gather(value, place) for channel, value in seen.items()}, training=False)
        return {tap: value[:-1] for tap, value in answers.items()}
