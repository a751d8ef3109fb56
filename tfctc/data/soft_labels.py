"""Soft labels: probabilities of the classes that teachers give a training cell, and the number of its draws."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfctc.data.selection import as_written

#: Features of a record: probabilities of the classes, float32 ``(K,)``, and number of draws, int64.
SOFT_LABEL, DRAWS = "soft_label", "draws"


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Soft labels of N training cells. A cell that is not among them has none, and is drawn only if it is labelled.

    Args:
        cell_id: ids, text ``(N,)``.
        probability: of each class, ``(N, K)`` in [0, 1]; all 0 for a cell without a soft label.
        draws: number of times that a cell without a label is drawn in one pass, int ``(N,)``; 0 for a labelled cell.
        prevalence: estimated share of positive cells among those without a label; 0.5 if there are none.
    """

    cell_id: np.ndarray
    probability: np.ndarray
    draws: np.ndarray
    prevalence: float = 0.5

    @property
    def pass_length(self) -> int:
        """Number of draws in one pass over the cells without a label."""
        return int(self.draws.sum())

    def attached(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Single records of training cells, which hold `cell_id`, with `SOFT_LABEL` and `DRAWS`."""
        ids, numbers = self.cell_id.tolist(), np.arange(len(self.cell_id))
        table = tf.lookup.KeyValueTensorInitializer(ids, numbers, tf.string, tf.int64)
        rows = tf.lookup.StaticHashTable(table, len(ids))
        # The last row is that of all cells that are not listed.
        probability = tf.constant(np.pad(self.probability, ((0, 1), (0, 0))), tf.float32)
        draws = tf.constant(np.pad(self.draws, (0, 1)), tf.int64)

        @as_written
        def attach(record):
            row = rows.lookup(record["cell_id"])
            return record | {SOFT_LABEL: tf.gather(probability, row), DRAWS: tf.gather(draws, row)}

        return records.map(attach)

    def drawn(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Single records of cells without a label, with `DRAWS`, as often as these say."""
        if self.draws.max(initial=0) <= 1:
            # Costs less than `repeated`, which makes a data set of each record.
            return records.filter(as_written(lambda record: record[DRAWS] > 0))
        return repeated(records)


def repeated(records: tf.data.Dataset) -> tf.data.Dataset:
    """Each record as many times as its `DRAWS` say."""
    return records.flat_map(as_written(lambda record: tf.data.Dataset.from_tensors(record).repeat(record[DRAWS])))
