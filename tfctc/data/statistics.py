"""Counts of the cells of a built data set, and pixel statistics by which networks normalise their input."""

from dataclasses import dataclass

import numpy as np

from tfctc.cells import DAPI, DAPI_PRESENT, NO_LABEL, SPLITS
from tfctc.data import pipeline
from tfctc.data.builder import Cells

#: Number of records in a batch.
BATCH = 64


@dataclass(frozen=True)
class Statistics:
    """Counts and pixel statistics of a built data set.

    Args:
        cells: split -> class name or `NO_LABEL` -> number of cells.
        normalisation: channel -> (mean, standard deviation) of its pixels in [0, 1], over the training split.
    """

    cells: dict[str, dict[str, int]]
    normalisation: dict[str, tuple[float, float]]


def measure(builder: Cells, channels: tuple[str, ...]) -> Statistics:
    """Statistics of a built data set, from one pass over its records in constant memory.

    Only the pixels of the training split are read. Cells without DAPI do not count for the statistics of that channel.

    Args:
        builder: the built data set.
        channels: channels to measure.
    """
    moments = {channel: np.zeros(3) for channel in channels}
    cells = {}
    for split in SPLITS:
        read = channels if split == "train" else ()
        counts = dict.fromkeys((*builder.facts.labels, NO_LABEL), 0)
        if not builder.info.splits[split].num_examples:
            cells[split] = counts  # tensorflow-datasets cannot read a split without a record.
            continue
        for batch in pipeline.records(builder, split, read, cache_mb=0).batch(BATCH).as_numpy_iterator():
            labels, with_dapi = batch["label"], batch[DAPI_PRESENT] > 0
            for name in counts:
                index = builder.facts.class_index("" if name == NO_LABEL else name)
                counts[name] += int((labels == index).sum())
            for channel in read:
                pixels = batch[channel][with_dapi] if channel == DAPI else batch[channel]
                pixels = pixels.astype(np.float64) / float(builder.facts.channel(channel).full_scale)
                moments[channel] += pixels.size, pixels.sum(), np.square(pixels).sum()
        cells[split] = counts
    return Statistics(cells, {channel: _mean_and_deviation(*sums) for channel, sums in moments.items()})


def _mean_and_deviation(count: float, total: float, squares: float) -> tuple[float, float]:
    mean = total / max(count, 1)
    # The floor keeps the normalisation of a blank channel finite.
    return float(mean), float(np.sqrt(max(squares / max(count, 1) - mean**2, 1e-12)))
