"""Showing some cells of a training batch otherwise than they are, for as long as a mode wants it."""

from collections.abc import Callable

import tensorflow as tf

from tfctc.cells import BRIGHTFIELD, DAPI, DAPI_PRESENT
from tfctc.training.course import Course, stream_seed


def some_as_dapi(course: Course) -> Callable:
    """Shows some cells as their DAPI image instead, brought to the mean and contrast of the bright-field ones.

    One reading of "Augmentation-Based Deep Learning for Identification of Circulating Tumor Cells" (arXiv 2503.03410):
    DAPI images as additional labelled samples of the network that will see bright-field.
    """
    settings, normalisation = course.config.dapi_augmented, course.summary.normalisation
    (mean, std), (dapi_mean, dapi_std) = normalisation[BRIGHTFIELD], normalisation[DAPI]
    seed = stream_seed(course.config, "student")

    def show(x, y, sample_weight, done):
        share = settings.share * tf.maximum(1.0 - done / settings.until, 0.0)
        chosen = _some(share, y, seed, done) & (x[DAPI_PRESENT] > 0)
        as_brightfield = (x[DAPI] - dapi_mean) * (std / dapi_std) + mean
        return x | {BRIGHTFIELD: _where(chosen, as_brightfield, x[BRIGHTFIELD])}, y, sample_weight

    return show


def some_without_dapi(course: Course, seed: int) -> Callable:
    """Shows `distill.dapi_dropout` of the cells with a DAPI image that is everywhere at the mean of all.

    Neverova et al. 2016, "ModDrop: adaptive multi-modal gesture recognition", arXiv 1501.00102.
    """
    share, mean = course.config.distill.dapi_dropout, course.summary.normalisation[DAPI][0]

    def show(x, y, sample_weight, done):
        return x | {DAPI: _where(_some(share, y, seed, done), mean, x[DAPI])}, y, sample_weight

    return show


def _some(share, y, seed: int, done):
    """Which cells of a batch ``(B,)``, drawn anew at every step."""
    return tf.random.stateless_uniform(tf.shape(y), (seed, tf.cast(done * 2.0**30, tf.int32))) < share


def _where(chosen, these, those):
    return tf.where(chosen[:, tf.newaxis, tf.newaxis, tf.newaxis], these, those)
