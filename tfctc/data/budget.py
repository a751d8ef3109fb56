"""Keeping only so many labels, to learn what they are worth."""

import numpy as np

from tfctc.cells import UNLABELLED
from tfctc.data import pipeline
from tfctc.data.selection import rank
from tfctc.errors import ConfigError


def keep_labels(builder, budget: int, seed: int) -> tuple[int, int]:
    """The `known` of a `Selection` that keeps `budget` labels of the training split, both classes in their share.

    The labels of a smaller budget are among those of a larger one with the same seed.

    Raises:
        ConfigError: more labels than there are, or so few that a class would have none.
    """
    cells = pipeline.records(builder, "train", ()).filter(lambda record: record["label"] != UNLABELLED)
    ranks = ([], [])
    for batch in cells.map(lambda record: (rank(record["cell_id"], seed), record["label"])).batch(1024):
        for label, found in enumerate(ranks):
            found.append(batch[0][batch[1] == label].numpy())
    negative, positive = (np.sort(np.concatenate(found)) for found in ranks)
    there = len(negative) + len(positive)
    kept = round(budget * len(positive) / there)
    if budget > there or not 0 < kept < budget:
        raise ConfigError(
            f"training.label_budget must leave both classes a label and be at most the {there} labelled training "
            f"cells, got {budget}"
        )
    return int(negative[budget - kept - 1]), int(positive[kept - 1])
