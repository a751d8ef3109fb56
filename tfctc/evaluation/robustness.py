"""Robustness: metrics of a model on images that are changed more and more, at the threshold of the evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfctc.augment.geometric import grid_of, rotate, warp
from tfctc.augment.illumination import gain
from tfctc.augment.noise import blur, read
from tfctc.cells import BRIGHTFIELD
from tfctc.evaluation.difference import metric_difference
from tfctc.evaluation.metrics import compute_metrics
from tfctc.evaluation.predictions import Predictions
from tfctc.models.classifier import probability
from tfctc.progress import Progress, Task, silent

BATCH = 64


@dataclass(frozen=True)
class Change:
    """A change of bright-field images at several strengths.

    Args:
        name: "gain", for example.
        unit: unit of the strengths.
        neutral: strength that changes nothing.
        strengths: strengths that are tried, ascending; without the neutral one.
        apply: function from images ``(B, H, W, 1)``, strengths ``(B, 1, 1, 1)`` and random numbers to changed images.
    """

    name: str
    unit: str
    neutral: float
    strengths: tuple[float, ...]
    apply: Callable[[tf.Tensor, tf.Tensor, np.random.Generator], tf.Tensor]


def _noise(images, strength, rng):
    return read(images, strength, tf.constant(rng.standard_normal(images.shape, np.float32)))


def _rotated(images, degrees, rng):
    return warp({BRIGHTFIELD: images}, rotate(grid_of(images), degrees[..., 0]))[BRIGHTFIELD]


def _shifted(images, share, rng):
    """The direction is random, because a cell may lie anywhere in its image."""
    angle = rng.uniform(0, 2 * np.pi, (images.shape[0], 1, 1))
    direction = tf.constant(np.stack([np.sin(angle), np.cos(angle)]), tf.float32)
    return warp({BRIGHTFIELD: images}, grid_of(images) + direction * share[..., 0] * min(images.shape[1:3]))[
        BRIGHTFIELD
    ]


CHANGES = (
    Change("gain", "factor", 1.0, (0.5, 0.7, 0.85, 1.2, 1.4, 2.0), lambda images, factor, rng: gain(images, factor)),
    Change("defocus", "pixels", 0.0, (0.5, 1.0, 1.5, 2.0, 3.0), lambda images, sigma, rng: blur(images, sigma)),
    Change("noise", "of the image's contrast", 0.0, (0.02, 0.05, 0.1, 0.2), _noise),
    Change("rotation", "degrees", 0.0, (15.0, 45.0, 90.0, 180.0), _rotated),
    Change("shift", "of the image's side", 0.0, (0.025, 0.05, 0.1, 0.15), _shifted),
)


def changed(images: np.ndarray, change: Change, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Changed bright-field images, clipped to [0, 1] as a camera does.

    Args:
        images: ``(B, H, W)`` float32 in [0, 1].
        change, strength: the change.
        rng: source of noise and directions.
    """
    x = tf.constant(images[..., np.newaxis])
    strengths = tf.fill((len(images), 1, 1, 1), tf.constant(strength, tf.float32))
    return tf.clip_by_value(change.apply(x, strengths, rng), 0.0, 1.0).numpy()[..., 0]


@dataclass(frozen=True)
class RobustnessPoint:
    """Metrics at one strength of one change.

    Args:
        change, unit, strength: the change; "none" for the images as they are.
        metrics: metric of an evaluation -> value, None where undefined; and "same_call", the share of cells that are
            called positive, or not, as without the change.
        auroc_change: "value", "low" and "high" of the AUROC minus that without the change, by patient; None where
            undefined.
    """

    change: str
    unit: str
    strength: float
    metrics: dict[str, float | None]
    auroc_change: dict[str, float] | None = None


def measure_robustness(
    model: keras.Model,
    images: np.ndarray,
    cells: Predictions,
    threshold: float,
    seed: int = 0,
    progress: Progress = silent,
    changes: Sequence[Change] = CHANGES,
) -> list[RobustnessPoint]:
    """Metrics of a bright-field model under every strength of every change; the first point is without a change.

    Args:
        model: ``{"brightfield": (B, H, W, 1)}`` -> logits ``(B, K)``.
        images: ``(N, H, W)`` float32 in [0, 1].
        cells: the cells, in the same order; their probabilities are not used.
        threshold: a cell is called positive if its probability is this number or higher.
        seed: seed of noise and directions.
        progress: called with the progress, counted in cells.
        changes: the changes.
    """
    task = Task(progress, "Measuring robustness", len(images) * (1 + sum(len(one.strengths) for one in changes)))
    labels, patients = np.asarray(cells.label), cells.patient_id
    paired = len(np.unique(patients)) > 1 and 0 < labels.sum() < len(labels)

    @tf.function(reduce_retracing=True, autograph=False)
    def run(x):
        return probability(model({BRIGHTFIELD: x}, training=False))

    def predict(change: Change | None, strength: float) -> np.ndarray:
        rng, parts = np.random.default_rng(seed), []
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            if change is not None:
                batch = changed(batch, change, strength, rng)
            parts.append(run(tf.constant(batch[..., np.newaxis])).numpy())
            task.advance(len(batch))
        return np.concatenate(parts).astype(np.float64)

    clean = predict(None, 0)

    def point(name: str, unit: str, strength: float, found: np.ndarray) -> RobustnessPoint:
        values = compute_metrics(labels, found, threshold)
        metrics = {metric: value if np.isfinite(value) else None for metric, value in values.items()}
        metrics["same_call"] = float(np.mean((found >= threshold) == (clean >= threshold)))
        shift = None
        if paired:
            before, after = (clean, threshold), (found, threshold)
            shift = metric_difference(labels, patients, before, after, ("auroc",)).get("auroc")
        return RobustnessPoint(name, unit, strength, metrics, shift)

    points = [point("none", "", 0.0, clean)]
    for change in changes:
        for strength in change.strengths:
            points.append(point(change.name, change.unit, strength, predict(change, strength)))
    return points


def worst(points: Sequence[RobustnessPoint]) -> RobustnessPoint:
    """The point with the lowest AUROC; where a class is missing, with the fewest cells called as without a change."""
    measure = "auroc" if points[0].metrics["auroc"] is not None else "same_call"
    return min(points[1:], key=lambda point: point.metrics[measure] or 0.0)
