"""What a built data set holds: counts for the record, and the pixel statistics that models are normalised with."""

from dataclasses import dataclass

import numpy as np

from tfctc.cells import DAPI, DAPI_PRESENT, SPLITS, UNLABELLED
from tfctc.data import pipeline


@dataclass(frozen=True)
class Summary:
    """Counts and statistics of a built data set.

    Args:
        cells: split -> class name or "unlabelled" -> number of cells.
        labelled_pairs: labelled cells of the training split that have a DAPI image.
        normalisation: channel -> (mean, standard deviation) of its pixels in [0, 1], over the training split.
    """

    cells: dict[str, dict[str, int]]
    labelled_pairs: int
    normalisation: dict[str, tuple[float, float]]


def summarise(builder, channels: tuple[str, ...]) -> Summary:
    """Reads every record once; constant memory. Only the training split's pixels are looked at."""
    full_scale = float(builder.facts.full_scale)
    moments = {channel: np.zeros(3) for channel in channels}
    cells, pairs = {}, 0
    for split in SPLITS:
        seen = channels if split == "train" else ()
        counts = dict.fromkeys((*builder.facts.classes, "unlabelled"), 0)
        for record in pipeline.records(builder, split, seen, cache_mb=0).as_numpy_iterator():
            label = int(record["label"])
            counts["unlabelled" if label == UNLABELLED else builder.facts.classes[label]] += 1
            pairs += bool(split == "train" and label != UNLABELLED and record[DAPI_PRESENT])
            for channel in seen:
                if channel != DAPI or record[DAPI_PRESENT]:
                    pixels = record[channel].astype(np.float64) / full_scale
                    moments[channel] += pixels.size, pixels.sum(), np.square(pixels).sum()
        cells[split] = counts
    return Summary(cells, pairs, {channel: _mean_and_deviation(*sums) for channel, sums in moments.items()})


def _mean_and_deviation(n: float, total: float, squares: float) -> tuple[float, float]:
    mean = total / max(n, 1)
    # The floor keeps a blank channel finite.
    return float(mean), float(np.sqrt(max(squares / max(n, 1) - mean**2, 1e-12)))
