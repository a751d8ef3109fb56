"""Which cells the integers' ranges are taken from."""

from collections.abc import Iterable, Mapping
from itertools import zip_longest

import numpy as np

from tfctc.cells import BRIGHTFIELD

ENOUGH = 200


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
