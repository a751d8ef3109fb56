"""Predictions of a Keras model for labelled cells."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from tfctc.cells import OTHER_INDEX, is_other
from tfctc.data.builder import Cells
from tfctc.data.pipeline import count, labelled_batches
from tfctc.data.selection import visible_to
from tfctc.evaluation.predictions import Predictions, described
from tfctc.models.classifier import probability
from tfctc.progress import Progress, Task, silent


def predict(
    model: keras.Model,
    batches: Iterable[Mapping[str, tf.Tensor]],
    task: Task | None = None,
) -> Predictions:
    """Predictions of a Keras model for batches of labelled cells.

    Args:
        model: channels by name -> logits ``(B, K)``.
        batches: the model's channels, float32 ``(B, H, W, 1)`` in [0, 1], and `cell_id`, `patient_id`, `label`.
        task: progress, counted in cells.
    """
    return predict_logits(model, batches, task)[0]


def predict_logits(
    model: keras.Model, batches: Iterable[Mapping[str, tf.Tensor]], task: Task | None = None
) -> tuple[Predictions, np.ndarray]:
    """Predictions as of `predict`, and the logits, float32 ``(N, K)``. Arguments as of `predict`."""

    @tf.function(reduce_retracing=True, autograph=False)
    def run(x):
        logits = model(x, training=False)
        return logits, probability(logits)

    names = ("cell_id", "patient_id", "label", "logits", "probability")
    columns: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in batches:
        found = run({name: batch[name] for name in model.input})
        for name, value in zip(("logits", "probability"), found, strict=True):
            columns[name].append(value.numpy())
        for name in ("cell_id", "patient_id", "label"):
            columns[name].append(batch[name].numpy())
        if task:
            task.advance(len(columns["label"][-1]))
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    logits = joined["logits"]
    predictions = Predictions(
        cell_id=np.char.decode(joined["cell_id"].astype(bytes), "utf-8"),
        patient_id=np.char.decode(joined["patient_id"].astype(bytes), "utf-8"),
        label=(joined["label"] == 1).astype(np.int32),
        probability=joined["probability"],
        is_other=is_other(logits) if logits.shape[1] > OTHER_INDEX else None,
    )
    return predictions, logits


def predict_splits(model: keras.Model, builder: Cells, progress: Progress = silent) -> dict[str, Predictions]:
    """Predictions for the labelled cells of "validation" and "test", by split; only cells with all of its channels."""
    found = {}
    for split in ("validation", "test"):
        channels = tuple(model.input)
        task = Task(progress, f"Predicting {split} cells", count(builder, split, visible_to(channels)))
        predictions = predict(model, labelled_batches(builder, split, channels, batch_size=64), task)
        found[split] = described(predictions, builder.manifest)
    return found
