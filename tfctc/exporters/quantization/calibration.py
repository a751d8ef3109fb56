"""The calibration set: images from which the ranges of the integers are taken."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

import numpy as np

from tfctc.cells import BRIGHTFIELD

ENOUGH = 200
#: Quantile of the images' largest values in a tensor, and the multiple of it above which an image is an outlier.
USUAL, FAR = 0.95, 2.0


def calibration_set(batches: Iterable[Mapping[str, np.ndarray]], most: int = ENOUGH) -> np.ndarray:
    """Images of up to `most` cells, taken in turn from every class of every patient, so that rare ones are included.

    Args:
        batches: ``brightfield`` float32 ``(B, H, W, 1)`` in [0, 1], ``label`` and ``patient_id`` ``(B,)``.
        most: largest number of images.

    Returns:
        float32 ``(N, H, W, 1)``; ``(0,)`` if there is no cell.
    """
    strata: dict[tuple, list[np.ndarray]] = {}
    for batch in batches:
        for image, label, patient in zip(batch[BRIGHTFIELD], batch["label"], batch["patient_id"], strict=True):
            stratum = strata.setdefault((patient, int(label)), [])
            if len(stratum) < most:
                stratum.append(image)
    turns = [image for turn in zip_longest(*strata.values()) for image in turn if image is not None]
    return np.stack(turns[:most]) if turns else np.empty((0,), np.float32)


def without_outliers(images: Sequence[np.ndarray], largest: np.ndarray) -> list[np.ndarray]:
    """Images without those that stretch a tensor's range far beyond the others; all of them if none would be left.

    TFLite takes the range of a tensor from its smallest and largest value over all images. One image with values twice
    as large as those of the others costs all others one bit of precision. Without this image, such values are clipped;
    that matters little, because its probability is near 0 or 1 anyway.

    Args:
        images: ``(H, W, 1)`` each.
        largest: largest absolute value of each image in every tensor, ``(N, tensors)``.
    """
    far = (largest > FAR * np.quantile(largest, USUAL, axis=0)).any(axis=1)
    return [image for image, out in zip(images, far, strict=True) if not out] or list(images)
