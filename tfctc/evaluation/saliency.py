"""Saliency of a classifier, and how much of it lies in the nucleus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfctc.evaluation.intervals import difference_interval, leave_one_out, share_interval
from tfctc.models.classifier import log_odds
from tfctc.progress import Task

#: Noisy copies of each image, and the standard deviation of their noise in units of the image's range.
SAMPLES, NOISE = 8, 0.1
#: Percentiles of an image between which its range lies.
RANGE = (1, 99)
#: Cells whose noisy copies make one batch.
BATCH = 4


def saliency(
    model: keras.Model,
    images: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    samples: int = SAMPLES,
    task: Task | None = None,
) -> dict[str, np.ndarray]:
    """Mean squared gradient of the log-odds over noisy copies of an image (SmoothGrad-Squared).

    Squared gradients of noisy copies rank pixels better than one gradient, and better than SmoothGrad itself (Smilkov
    et al. 2017, arXiv 1706.03825; Hooker et al. 2019, "A benchmark for interpretability methods in deep neural
    networks"). The gradient is not multiplied by the image: otherwise an empty background would count as unseen.

    Args:
        model: channels by name -> logits ``(B, K)``.
        images: each of the model's channels -> ``(N, H, W)`` float32 in [0, 1].
        rng: source of the noise.
        samples: number of noisy copies.
        task: progress, counted in cells.

    Returns:
        Channel -> ``(N, H, W)`` float32, 0 or more.
    """
    names = list(model.input)
    arrays = {name: np.asarray(images[name], np.float32) for name in names}
    found = {name: np.zeros_like(array) for name, array in arrays.items()}

    @tf.function(reduce_retracing=True, autograph=False)
    def squared_gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(log_odds(model(x, training=False)))
        return {name: tf.square(gradient) for name, gradient in tape.gradient(total, x).items()}

    cells = len(arrays[names[0]])
    for start in range(0, cells, BATCH):
        noisy = {}
        for name in names:
            batch = arrays[name][start : start + BATCH]
            low, high = np.percentile(batch, RANGE, axis=(1, 2), keepdims=True)
            deviates = rng.standard_normal((samples, *batch.shape), np.float32)
            copies = batch + (NOISE * (high - low)).astype(np.float32) * deviates
            noisy[name] = tf.constant(copies.reshape(-1, *batch.shape[1:], 1))
        for name, squares in squared_gradients(noisy).items():
            batch = found[name][start : start + BATCH]
            batch[:] = squares.numpy().reshape(samples, *batch.shape).mean(axis=0)
        if task:
            task.advance(len(batch))
    return found


@dataclass(frozen=True)
class MeanShare:
    """Mean over cells with its interval by patient; low and high are None for cells of one patient.

    Args:
        value: the mean.
        low, high: ends of the interval.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class NucleusEnergy:
    """Saliency inside the nucleus, as a share of that of the whole image.

    This is the energy-based pointing game (Wang et al. 2020, "Score-CAM", arXiv 1910.01279) with the nucleus as target.

    Args:
        model: name of the model.
        channel: channel of the saliency.
        cells, patients: size of the sample; only cells with a nucleus count.
        inside: share of the saliency inside the nucleus, mean over cells.
        area: share of the image that the nucleus covers: what a model gives that uses all pixels alike.
        elsewhere: share of the saliency inside the nuclei of the other cells, mean: what a model gives that uses the
            place in the image, and not the cell.
        above_area: `inside` minus `area`.
        above_elsewhere: `inside` minus `elsewhere`.
    """

    model: str
    channel: str
    cells: int
    patients: int
    inside: MeanShare
    area: float
    elsewhere: float
    above_area: MeanShare
    above_elsewhere: MeanShare


def nucleus_energy(
    energy: np.ndarray, nuclei: np.ndarray, patients: Sequence[str] | np.ndarray, model: str, channel: str
) -> NucleusEnergy | None:
    """Share of the saliency inside the nucleus, compared with chance; None with fewer than two cells that have both.

    Args:
        energy: ``(N, H, W)`` saliency, 0 or more.
        nuclei: ``(N, H, W)`` bool masks; an empty mask leaves its cell out.
        patients: ``(N,)`` the patient of each cell.
        model, channel: names for the result.
    """
    energy, nuclei = np.asarray(energy, np.float64), np.asarray(nuclei, bool)
    total = energy.sum(axis=(1, 2))
    kept = nuclei.any(axis=(1, 2)) & (total > 0)
    count = int(kept.sum())
    if count < 2:
        return None
    shares, masks = energy[kept] / total[kept, None, None], nuclei[kept].astype(np.float64)
    groups = np.asarray(patients)[kept]
    inside, area = (shares * masks).sum(axis=(1, 2)), masks.mean(axis=(1, 2))
    others = (masks.sum(axis=0) - masks) / (count - 1)
    elsewhere = (shares * others).sum(axis=(1, 2))
    return NucleusEnergy(
        model=model,
        channel=channel,
        cells=count,
        patients=len(np.unique(groups)),
        inside=_mean(inside, groups, is_difference=False),
        area=float(area.mean()),
        elsewhere=float(elsewhere.mean()),
        above_area=_mean(inside - area, groups, is_difference=True),
        above_elsewhere=_mean(inside - elsewhere, groups, is_difference=True),
    )


def _mean(values: np.ndarray, groups: np.ndarray, is_difference: bool) -> MeanShare:
    counts = np.unique(groups, return_counts=True)[1]
    if len(counts) < 2:
        return MeanShare(float(values.mean()), None, None)
    value, without = leave_one_out(lambda weights: {"mean": float(np.average(values, weights=weights))}, groups)
    interval = difference_interval if is_difference else share_interval
    low, high = interval(value["mean"], without["mean"], counts, len(counts), len(values))
    return MeanShare(value["mean"], low, high)
