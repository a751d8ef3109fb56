"""Predictions of the teachers of a finished run, for the cells that have all of their channels."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tfctc.cells import OTHER_INDEX, is_other
from tfctc.data.builder import Cells
from tfctc.data.label_budget import keep_labels
from tfctc.errors import RunError
from tfctc.evaluation.keras_predictions import predict_splits
from tfctc.evaluation.predictions import Predictions, described
from tfctc.progress import Progress, silent
from tfctc.recipes import resolve, stream_seed
from tfctc.runs.folder import RunFolder
from tfctc.training.teaching import Taught, Teaching


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
    splits, budget = run.splits, run.config.training.label_budget
    if budget is not None:
        training = splits.mask(builder.manifest, "train")
        kept = keep_labels(builder.manifest, training, budget, stream_seed(run.config.seed, "labels"))
        splits = replace(splits, kept_labels=kept)
    recipe = resolve(run.config, splits)
    stage = recipe.stages[-1]
    if not recipe.teacher_channels:
        raise no_teacher(run.folder)
    if not stage.soft_labels:
        return predict_splits(run.teacher(), builder, progress)
    networks = run.teachers() if recipe.teachers else []
    teaching = Teaching.of_stage(stage, builder, networks)
    taught = teaching.ask("test")
    return {
        split: described(_predictions(taught.of((taught.split == split) & (taught.label >= 0))), builder.manifest)
        for split in ("validation", "test")
    }


def no_teacher(folder: Path) -> RunError:
    """Error of a run without a teacher."""
    fix = "fit with --mode distilled and a loss that needs a teacher, such as soft-labels"
    return RunError("has no teacher", path=folder, fix=fix)


def _predictions(taught: Taught) -> Predictions:
    probability = taught.probability
    with np.errstate(divide="ignore"):
        other = is_other(np.log(probability)) if probability.shape[1] > OTHER_INDEX else None
    return Predictions(
        cell_id=taught.cell_id,
        patient_id=taught.patient_id,
        label=(taught.label == 1).astype(np.int32),
        probability=probability[:, 1].astype(np.float32),
        is_other=other,
    )
