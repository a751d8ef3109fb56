"""A model's answers on labelled cells, with what is needed to judge them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Predictions:
    """Arrays of one length N: ids as strings, `label` 0 or 1, `probability` float32 of the positive class."""

    cell_id: np.ndarray
    patient_id: np.ndarray
    label: np.ndarray
    probability: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


def predict(model, batches, progress: Callable[[int], None] = lambda cells: None) -> Predictions:
    """Runs a Keras `model` (named channels -> logits ``(B, 2)``) over batches of labelled records.

    Args:
        batches: a dataset of dictionaries: the model's channels, float32 ``(B, H, W, 1)`` in [0, 1], and `cell_id`,
            `patient_id`, `label`.
        progress: called with the number of cells done in each batch.
    """
    import tensorflow as tf

    from tfctc.models.classifier import probability

    @tf.function(reduce_retracing=True)
    def answer(x):
        return probability(model(x, training=False))

    columns = {"cell_id": [], "patient_id": [], "label": [], "probability": []}
    for batch in batches:
        columns["probability"].append(answer({name: batch[name] for name in model.input}).numpy())
        for name in ("cell_id", "patient_id", "label"):
            columns[name].append(batch[name].numpy())
        progress(len(columns["label"][-1]))
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Predictions(
        cell_id=np.char.decode(joined["cell_id"].astype(bytes), "utf-8"),
        patient_id=np.char.decode(joined["patient_id"].astype(bytes), "utf-8"),
        label=joined["label"],
        probability=joined["probability"],
    )
