"""Predictions of a Keras model for labelled cells, with the labels and patients that an evaluation needs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfctc.data.builder import Cells
from tfctc.data.pipeline import count, labelled_batches
from tfctc.data.selection import visible_to
from tfctc.models.classifier import probability
from tfctc.progress import Progress, Task, silent


@dataclass(frozen=True)
class Predictions:
    """Predictions for N cells.

    Args:
        cell_id, patient_id: ids, text ``(N,)``.
        label: true class, ``(N,)`` 0 or 1.
        probability: probability of the positive class, float32 ``(N,)`` in [0, 1].
    """

    cell_id: np.ndarray
    patient_id: np.ndarray
    label: np.ndarray
    probability: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


def predict(
    model: keras.Model,
    batches: Iterable[Mapping[str, tf.Tensor]],
    task: Task | None = None,
    output: Callable[[tf.Tensor], tf.Tensor] = probability,
) -> Predictions:
    """Predictions of a Keras model for batches of labelled cells.

    Args:
        model: channels by name -> logits ``(B, 2)``.
        batches: the model's channels, float32 ``(B, H, W, 1)`` in [0, 1], and `cell_id`, `patient_id`, `label`.
        task: progress, counted in cells.
        output: function from logits to the values ``(B,)`` that stand in `Predictions.probability`.
    """

    @tf.function(reduce_retracing=True)
    def run(x):
        return output(model(x, training=False))

    columns: dict[str, list[np.ndarray]] = {"cell_id": [], "patient_id": [], "label": [], "probability": []}
    for batch in batches:
        columns["probability"].append(run({name: batch[name] for name in model.input}).numpy())
        for name in ("cell_id", "patient_id", "label"):
            columns[name].append(batch[name].numpy())
        if task:
            task.advance(len(columns["label"][-1]))
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Predictions(
        cell_id=np.char.decode(joined["cell_id"].astype(bytes), "utf-8"),
        patient_id=np.char.decode(joined["patient_id"].astype(bytes), "utf-8"),
        label=joined["label"],
        probability=joined["probability"],
    )


def predict_splits(model: keras.Model, builder: Cells, progress: Progress = silent) -> dict[str, Predictions]:
    """Predictions for the labelled cells of "validation" and "test", by split; only cells with all of its channels."""
    found = {}
    for split in ("validation", "test"):
        channels = tuple(model.input)
        task = Task(progress, f"Predicting {split} cells", count(builder, split, visible_to(channels)))
        found[split] = predict(model, labelled_batches(builder, split, channels, batch_size=64), task)
    return found
