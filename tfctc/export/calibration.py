"""Which cells the integers' ranges are taken from."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

import numpy as np

from tfctc.cells import BRIGHTFIELD

ENOUGH = 200
#: Of the images, and how many times as far as that share of them an outlier reaches.
USUAL, FAR = 0.95, 2.0


def calibration_set(batches: Iterable[Mapping[str, np.ndarray]], most: int = ENOUGH) -> np.ndarray:
    """Images of up to `most` cells, of every patient and class in turn: a site or class that is rare has its say.

    Args:
        batches: with ``brightfield`` float32 ``(B, H, W, 1)`` in [0, 1], ``label`` and ``patient_id`` ``(B,)``.

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


def without_outliers(images: Sequence[np.ndarray], reach: np.ndarray) -> list[np.ndarray]:
    """Those images that spread no tensor's range over values which the others have not; all, if there is none.

    TFLite takes ranges from the smallest and largest value. An image that reaches twice as far as the others costs each
    of them a bit; left out, its own values are cut off there, which moves an answer that was far on one side anyway.

    Args:
        images: ``(H, W, 1)``.
        reach: ``(N, tensors)``, the largest absolute value of each image in every tensor.
    """
    far = (reach > FAR * np.quantile(reach, USUAL, axis=0)).any(axis=1)
    return [image for image, out in zip(images, far, strict=True) if not out] or list(images)
