"""Label budget: a limit on the number of training labels in use, to measure the value of labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfctc.data.manifest import Manifest
from tfctc.errors import ConfigError

#: Number of possible ranks: 0 to `RANKS` - 1.
RANKS = 2**62


@dataclass(frozen=True)
class KeptLabels:
    """Labels that may be used: in each class, those of the cells with the lowest ranks (see `ranks`).

    Args:
        highest: highest rank of a negative and of a positive cell that keeps its label.
        seed: seed of the ranks.
    """

    highest: tuple[int, int]
    seed: int


def keep_labels(manifest: Manifest, training: np.ndarray, budget: int, seed: int) -> KeptLabels:
    """Chooses `budget` labels of the training cells; the shares of the two classes stay as they are.

    The labels of a smaller budget are among those of a larger one with the same seed.

    Args:
        manifest: the data set of N cells.
        training: whether each cell is in the training split, bool ``(N,)``.
        budget: number of labels to keep.
        seed: seed of the ranks.

    Raises:
        ConfigError: more labels than there are, or so few that a class would have none.
    """
    classes = {name: i for i, name in enumerate(manifest.facts.classes)}
    labels = np.where(training, manifest.index.coded("label", classes, -1), -1)
    ids = manifest.index.texts["cell_id"]
    negative, positive = (np.sort(ranks(ids[labels == label], seed)) for label in (0, 1))
    count = len(negative) + len(positive)
    kept = round(budget * len(positive) / max(count, 1))
    if budget > count or not 0 < kept < budget:
        raise ConfigError(
            f"training.label_budget must leave both classes a label and be at most the {count} labelled training "
            f"cells, got {budget}"
        )
    return KeptLabels((int(negative[budget - kept - 1]), int(positive[kept - 1])), seed)


def ranks(cell_ids: np.ndarray, seed: int) -> np.ndarray:
    """A pseudo-random number for each cell id, int64 in [0, `RANKS`), whatever the order of the cells."""
    import tensorflow as tf

    return rank(tf.constant(cell_ids.tolist(), tf.string), seed).numpy()


def rank(cell_id: Any, seed: int) -> Any:
    """`ranks` for a string tensor of any shape, in a TensorFlow graph."""
    import tensorflow as tf

    return tf.strings.to_hash_bucket_strong(cell_id, RANKS, key=[seed, 0])
