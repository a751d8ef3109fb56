"""Changes of whole channels during training: DAPI images that are hidden, or used in place of bright-field images.

A change is a frozen dataclass of its strengths. `transform` returns the function that changes training batches
``(x, y, sample_weight)``, after augmentation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfctc.cells import BRIGHTFIELD, DAPI, DAPI_PRESENT

#: Channel -> mean and standard deviation of its pixels in [0, 1] over the training split.
Normalisation = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class ChannelChange:
    """One change of the channels."""

    def transform(self, statistics: Normalisation, seed: int) -> Callable:
        """Function ``(x, y, sample_weight, done) -> (x, y, sample_weight)`` of a training batch.

        `done` is the completed fraction of the training, a float32 scalar from 0 to 1.

        Args:
            statistics: pixel statistics of the channels.
            seed: seed of the choice of cells.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class DapiAsBrightfield(ChannelChange):
    """The DAPI images of some cells in place of their bright-field images, with the mean and contrast of bright-field.

    This is our reading of "Augmentation-Based Deep Learning for Identification of Circulating Tumor Cells" (arXiv
    2503.03410): DAPI images are additional labelled samples for a network that will see bright-field.

    Args:
        share: share of the cells with DAPI that are changed, at the first step.
        until: fraction of the training steps over which the share falls linearly to 0.
    """

    share: float
    until: float

    def transform(self, statistics, seed):
        (mean, std), (dapi_mean, dapi_std) = statistics[BRIGHTFIELD], statistics[DAPI]

        def change(x, y, sample_weight, done):
            share = self.share * tf.maximum(1.0 - done / self.until, 0.0)
            chosen = _drawn(share, y, seed, done) & (x[DAPI_PRESENT] > 0)
            as_brightfield = (x[DAPI] - dapi_mean) * (std / dapi_std) + mean
            return x | {BRIGHTFIELD: _where(chosen, as_brightfield, x[BRIGHTFIELD])}, y, sample_weight

        return change


@dataclass(frozen=True)
class DapiDropout(ChannelChange):
    """Dropout of the DAPI images of some cells: every pixel is set to the mean over all training pixels.

    Neverova et al. 2016, "ModDrop: adaptive multi-modal gesture recognition", arXiv 1501.00102.

    Args:
        share: share of the cells that are changed.
    """

    share: float

    def transform(self, statistics, seed):
        mean = statistics[DAPI][0]

        def change(x, y, sample_weight, done):
            return x | {DAPI: _where(_drawn(self.share, y, seed, done), mean, x[DAPI])}, y, sample_weight

        return change


def _drawn(share: Any, y: tf.Tensor, seed: int, done: tf.Tensor) -> tf.Tensor:
    """Random choice of cells of a batch, bool ``(B,)``, another one at every step."""
    return tf.random.stateless_uniform(tf.shape(y), (seed, tf.cast(done * 2.0**30, tf.int32))) < share


def _where(chosen: tf.Tensor, these: Any, those: tf.Tensor) -> tf.Tensor:
    return tf.where(chosen[:, tf.newaxis, tf.newaxis, tf.newaxis], these, those)
