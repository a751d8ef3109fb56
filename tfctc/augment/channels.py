"""Changes of whole channels during training: DAPI images hidden, or mixed among the bright-field ones.

A change is a frozen dataclass of its strengths. `transform` gives the function that acts on training batches ``(x, y,
sample_weight)``, after augmentation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfctc.cells import BRIGHTFIELD, DAPI, DAPI_PRESENT

#: Channel -> mean and standard deviation of its pixels in [0, 1] over the training split.
Statistics = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class ChannelChange:
    """One change of the channels."""

    def transform(self, statistics: Statistics, seed: int) -> Callable:
        """``(x, y, sample_weight, done)`` -> ``(x, y, sample_weight)``; `done` is the part of the training, 0 to 1."""
        raise NotImplementedError


@dataclass(frozen=True)
class DapiAsBrightfield(ChannelChange):
    """Puts the DAPI image of some cells in the place of the bright-field one, with bright-field's mean and contrast.

    One reading of "Augmentation-Based Deep Learning for Identification of Circulating Tumor Cells" (arXiv 2503.03410):
    DAPI images as additional labelled samples for a network that will see bright-field.

    Args:
        share: share of the cells with DAPI, at the first step.
        until: part of the training over which the share falls to 0, linearly.
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
    """Hides the DAPI image of some cells: every pixel takes the mean over all training pixels.

    Neverova et al. 2016, "ModDrop: adaptive multi-modal gesture recognition", arXiv 1501.00102.

    Args:
        share: share of the cells.
    """

    share: float

    def transform(self, statistics, seed):
        mean = statistics[DAPI][0]

        def change(x, y, sample_weight, done):
            return x | {DAPI: _where(_drawn(self.share, y, seed, done), mean, x[DAPI])}, y, sample_weight

        return change


def _drawn(share: Any, y: tf.Tensor, seed: int, done: tf.Tensor) -> tf.Tensor:
    """Chosen cells of a batch, bool ``(B,)``, drawn anew at every step."""
    return tf.random.stateless_uniform(tf.shape(y), (seed, tf.cast(done * 2.0**30, tf.int32))) < share


def _where(chosen: tf.Tensor, these: Any, those: tf.Tensor) -> tf.Tensor:
    return tf.where(chosen[:, tf.newaxis, tf.newaxis, tf.newaxis], these, those)
