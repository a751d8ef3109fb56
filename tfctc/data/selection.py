"""Selections: the cells of a split that a training uses, and those labels of them that it may use."""

from dataclasses import dataclass, field, replace

import tensorflow as tf

from tfctc.cells import DAPI, DAPI_PRESENT, UNLABELLED
from tfctc.data.label_budget import KeptLabels, rank
from tfctc.data.splits import Splits
from tfctc.errors import ConfigError

#: Feature with the number of a cell's fold; int32.
FOLD = "fold"
KINDS = ("labelled", "unlabelled", "all")
#: Decorator of a function for `map`, `filter` or `flat_map` that has no `if` and no loop over tensors. AutoGraph would
#: parse and rewrite the function and all that it calls, which takes seconds at the start of a training.
as_written = tf.autograph.experimental.do_not_convert


@dataclass(frozen=True)
class Selection:
    """A filter of records. It looks at one record at a time, so that it works on a stream.

    Args:
        labels: "labelled" cells, "unlabelled" ones, or "all".
        with_dapi: whether cells without DAPI are left out.
        kept_labels: labels that may be used; cells whose label is not kept count as unlabelled. None keeps all.
        without_fold: number of a fold whose cells are left out.
        by: manifest column of a cell's group.
        folds: (group, fold) of every group; adds the feature `fold` to the records. Empty for none.

    Raises:
        ConfigError: `labels` is none of these.
    """

    labels: str = "labelled"
    with_dapi: bool = False
    kept_labels: KeptLabels | None = None
    without_fold: int | None = None
    by: str = field(default="patient_id", repr=False)
    folds: tuple[tuple[str, int], ...] = field(default=(), repr=False)

    def __post_init__(self):
        if self.labels not in KINDS:
            raise ConfigError(f"labels must be one of {', '.join(KINDS)}, got {self.labels!r}")

    def on(self, splits: Splits) -> "Selection":
        """A copy of the selection for training cells, with the kept labels and the folds of `splits`."""
        folds = tuple(sorted(splits.folds.items()))
        return replace(self, kept_labels=splits.kept_labels, by=splits.by, folds=folds)

    @property
    def ids(self) -> set[str]:
        """Names of the id columns that the filter reads."""
        return ({"cell_id"} if self.kept_labels else set()) | ({self.by} if self.folds else set())

    def __str__(self) -> str:
        words = [{"labelled": "labelled cells", "unlabelled": "unlabelled cells", "all": "all cells"}[self.labels]]
        words += ["with DAPI"] if self.with_dapi else []
        words += [f"without fold {self.without_fold}"] if self.without_fold is not None else []
        return " ".join(words)

    def __call__(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Filters single records (not batches), hides the labels that may not be used, and adds the folds."""
        if kept := self.kept_labels:
            records = records.map(as_written(lambda record: _hide_labels(record, kept)))
        if self.folds:
            groups, folds = zip(*self.folds, strict=True)
            table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(groups, folds, tf.string, tf.int32), -1
            )
            records = records.map(as_written(lambda record: record | {FOLD: table.lookup(record[self.by])}))
        return records.filter(as_written(self._chosen))

    def _chosen(self, record):
        labelled = record["label"] != UNLABELLED
        chosen = {"labelled": labelled, "unlabelled": ~labelled, "all": True}[self.labels] & tf.constant(True)
        if self.with_dapi:
            chosen &= record[DAPI_PRESENT] > 0
        if self.without_fold is not None:
            chosen &= record[FOLD] != self.without_fold
        return chosen


#: All labelled cells, and all cells.
LABELLED, ALL = Selection(), Selection("all")


def _hide_labels(record: dict[str, tf.Tensor], kept: KeptLabels) -> dict[str, tf.Tensor]:
    highest = tf.gather(tf.constant(kept.highest, tf.int64), tf.maximum(record["label"], 0))
    is_kept = rank(record["cell_id"], kept.seed) <= highest
    return record | {"label": tf.where(is_kept, record["label"], UNLABELLED)}


def visible_to(channels: tuple[str, ...]) -> Selection:
    """Selection of the labelled cells that have all `channels`."""
    return Selection(with_dapi=DAPI in channels)
