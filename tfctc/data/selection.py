"""Which cells of a split a training learns from, and which of their labels it may know."""

from dataclasses import dataclass

import tensorflow as tf

from tfctc.cells import DAPI, DAPI_PRESENT, UNLABELLED
from tfctc.errors import ConfigError

#: Feature that says which fold a cell is dealt to; int32.
FOLD = "fold"
#: Ranks that decide which labels are kept lie below this.
RANKS = 2**62
KINDS = ("labelled", "unlabelled", "all")


@dataclass(frozen=True)
class Selection:
    """A choice of cells that depends on each record alone, so that it can be made in a stream.

    Args:
        labels: "labelled" cells, "unlabelled" ones, or "all".
        pairs: whether cells without DAPI are left out.
        known: for a negative and a positive cell the highest `rank` whose label is kept; others count as unlabelled.
            None keeps all labels. `tfctc.data.budget.keep_labels` finds it for a number of labels.
        seed: of the ranks.
        by: the id that holds a cell's group.
        folds: (group, fold) of every group; adds the feature `fold` to the records. Empty for none.
        outside: cells of this fold are left out.
    """

    labels: str = "labelled"
    pairs: bool = False
    known: tuple[int, int] | None = None
    seed: int = 0
    by: str = "patient_id"
    folds: tuple[tuple[str, int], ...] = ()
    outside: int | None = None

    def __post_init__(self):
        if self.labels not in KINDS:
            raise ConfigError(f"labels must be one of {', '.join(KINDS)}, got {self.labels!r}")

    @property
    def reads(self) -> set[str]:
        """The ids it needs to know."""
        return ({"cell_id"} if self.known else set()) | ({self.by} if self.folds else set())

    def __call__(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Chooses from records (not batched) and takes away the labels that are not known."""
        if self.known:
            records = records.map(self._hide)
        if self.folds:
            groups, folds = zip(*self.folds, strict=True)
            table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(groups, folds, tf.string, tf.int32), -1
            )
            records = records.map(lambda record: record | {FOLD: table.lookup(record[self.by])})
        return records.filter(self._chosen)

    def _hide(self, record):
        kept = rank(record["cell_id"], self.seed) <= tf.gather(self.known, tf.maximum(record["label"], 0))
        return record | {"label": tf.where(kept, record["label"], UNLABELLED)}

    def _chosen(self, record):
        labelled = record["label"] != UNLABELLED
        chosen = {"labelled": labelled, "unlabelled": ~labelled, "all": True}[self.labels] & tf.constant(True)
        if self.pairs:
            chosen &= record[DAPI_PRESENT] > 0
        if self.outside is not None:
            chosen &= record[FOLD] != self.outside
        return chosen


def seen_through(channels: tuple[str, ...]) -> Selection:
    """The labelled cells that a network of these channels can answer for."""
    return Selection(pairs=DAPI in channels)


def rank(cell_id: tf.Tensor, seed: int) -> tf.Tensor:
    """A number at random for a cell, int64 in [0, `RANKS`), the same wherever the cell lies."""
    return tf.strings.to_hash_bucket_strong(cell_id, RANKS, key=[seed, 0])
