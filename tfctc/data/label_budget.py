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
        highest: highest rank of a cell that keeps its label, in each class, in the order of the class indices.
        seed: seed of the ranks.
    """

    highest: tuple[int, ...]
    seed: int


def keep_labels(manifest: Manifest, training: np.ndarray, budget: int, seed: int) -> KeptLabels:
    """Chooses `budget` labels of the training cells; the shares of the classes stay as they are.

    The labels of a smaller budget are among those of a larger one with the same seed.

    Args:
        manifest: the data set of N cells.
        training: whether each cell is in the training split, bool ``(N,)``.
        budget: number of labels to keep.
        seed: seed of the ranks.

    Raises:
        ConfigError: more labels than there are, or so few that a class would have none.
    """
    classes = {name: i for i, name in enumerate(manifest.facts.labels)}
    labels = np.where(training, manifest.index.coded("label", classes, -1), -1)
    ids = manifest.index.texts["cell_id"]
    ranked = [np.sort(ranks(ids[labels == label], seed)) for label in classes.values()]
    count = sum(map(len, ranked))
    kept = [round(budget * len(own) / max(count, 1)) for own in ranked]
    kept[0] = budget - sum(kept[1:])
    if budget > count or min(kept[:2]) < 1:
        raise ConfigError(
            f"training.label_budget must leave both classes a label and be at most the {count} labelled training "
            f"cells, got {budget}"
        )
    # A rank of -1 keeps no label.
    return KeptLabels(tuple(int(own[n - 1]) if n else -1 for own, n in zip(ranked, kept, strict=True)), seed)


def ranks(cell_ids: np.ndarray, seed: int) -> np.ndarray:
    """A pseudo-random number for each cell id, int64 in [0, `RANKS`), whatever the order of the cells."""
    import tensorflow as tf

    return rank(tf.constant(cell_ids.tolist(), tf.string), seed).numpy()


def rank(cell_id: Any, seed: int) -> Any:
    """`ranks` for a string tensor of any shape, in a TensorFlow graph."""
    import tensorflow as tf

    return tf.strings.to_hash_bucket_strong(cell_id, RANKS, key=[seed, 0])
