"""Predictions of a Keras model for labelled cells."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from tfctc.data.builder import Cells
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import count, labelled_batches
from tfctc.data.selection import visible_to
from tfctc.evaluation.predictions import Predictions
from tfctc.models.classifier import probability
from tfctc.progress import Progress, Task, silent


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

    @tf.function(reduce_retracing=True, autograph=False)
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
        predictions = predict(model, labelled_batches(builder, split, channels, batch_size=64), task)
        found[split] = replace(predictions, site=_sites(builder.manifest, predictions.cell_id))
    return found


def _sites(manifest: Manifest, cell_ids: np.ndarray) -> np.ndarray:
    """Site of each cell, text ``(N,)``: the tfrecords do not hold it."""
    wanted = {cell_id: i for i, cell_id in enumerate(cell_ids.tolist())}
    sites = [""] * len(wanted)
    for cell in manifest.index:
        if cell.cell_id in wanted:
            sites[wanted[cell.cell_id]] = cell.site
    return np.array(sites)
