"""Predictions of the teachers of a finished run, for the cells that have all of their channels."""

import numpy as np

from tfctc.cells import OTHER_INDEX
from tfctc.data.builder import Cells
from tfctc.evaluation.keras_predictions import predict_splits
from tfctc.evaluation.predictions import Predictions, described, split_outputs
from tfctc.progress import Progress, silent
from tfctc.recipes import resolve, stream_seed
from tfctc.runs.folder import RunFolder
from tfctc.training.ask_teachers import Taught, Teaching


def predict_with_teachers(run: RunFolder, builder: Cells, progress: Progress = silent) -> dict[str, Predictions]:
    """Predictions of the run's teachers for labelled cells of "validation" and "test", by split.

    Where the student learned from soft labels, they are the calibrated probabilities of all kinds of teachers together.
    Kinds that are not networks are trained again, from the same cells and seed, because a run keeps no copy of them.

    Args:
        run: the run.
        builder: its data.
        progress: called with the progress of long tasks.

    Raises:
        RunError: the run has no teacher, or a file is damaged.
    """
    config = run.config
    label_seed = stream_seed(config.seed, "labels")
    recipe = resolve(config, run.splits.with_budget(builder.manifest, config.training.label_budget, label_seed))
    stage = recipe.stages[-1]
    if not stage.soft_labels:
        return predict_splits(run.teacher(), builder, progress)
    networks = run.teachers() if recipe.teachers else []
    teaching = Teaching.of_stage(stage, builder, networks)
    taught = teaching.ask("test")
    return {
        split: described(_predictions(taught.of((taught.split == split) & (taught.label >= 0))), builder.manifest)
        for split in ("validation", "test")
    }


def _predictions(taught: Taught) -> Predictions:
    classes = taught.probability.shape[1]
    probability, other = split_outputs(taught.probability if classes > OTHER_INDEX else taught.probability[:, 1])
    return Predictions(
        cell_id=taught.cell_id,
        patient_id=taught.patient_id,
        label=(taught.label == 1).astype(np.int32),
        probability=probability.astype(np.float32),
        is_other=other,
    )
