"""Calibration of a trained student on the validation cells, and the threshold of its calibrated probability."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tfctc.data import pipeline
from tfctc.data.builder import Cells
from tfctc.evaluation.calibration import fit_calibration
from tfctc.evaluation.keras_predictions import predict
from tfctc.evaluation.metrics import choose_threshold
from tfctc.evaluation.out_of_fold import read_out_of_fold
from tfctc.io.files import write_json
from tfctc.models.classifier import log_odds
from tfctc.recipes import Recipe
from tfctc.recipes.recipe import STUDENT
from tfctc.runs.folder import CALIBRATION, OPERATING_POINT, OUT_OF_FOLD, VALIDATION_PREDICTIONS
from tfctc.runs.predictions import write_predictions
from tfctc.training.trainer import batch_composition


def calibrate_student(student: keras.Model, recipe: Recipe, builder: Cells, folder: Path) -> None:
    """Writes `CALIBRATION`, `VALIDATION_PREDICTIONS` and `OPERATING_POINT` into a run folder.

    The threshold has the best F1 of the calibrated probabilities of the validation cells; in a cross-validated run, of
    the out-of-fold predictions, which are there before the final model is trained.

    Args:
        student: the trained network, channels by name -> logits ``(B, 2)``.
        recipe: recipe of the training.
        builder: the run's data.
        folder: the run folder.
    """
    cells = pipeline.labelled_batches(builder, "validation", tuple(student.input), 256)
    raw = predict(student, cells, output=log_odds)
    calibration = fit_calibration(
        raw.label, raw.probability, raw.patient_id, network_prevalence(recipe, builder), "validation"
    )
    # float32, as a network gives it.
    predictions = replace(raw, probability=calibration(raw.probability).astype(np.float32))
    chosen_on, cells_of_choice = "validation", predictions
    if (folder / OUT_OF_FOLD).exists():
        # Predictions for every patient, in place of the few that chose the best epoch.
        chosen_on, cells_of_choice = "out-of-fold", read_out_of_fold(folder / OUT_OF_FOLD, builder.facts.positive)
    threshold = choose_threshold(cells_of_choice.label, cells_of_choice.probability)
    point = {"threshold": threshold, "rule": "f1", "chosen_on": chosen_on, "cells": len(cells_of_choice)}
    write_json(folder / CALIBRATION, calibration.to_dict())
    write_predictions(folder / VALIDATION_PREDICTIONS, predictions, builder.manifest, threshold)
    write_json(folder / OPERATING_POINT, point)


def network_prevalence(recipe: Recipe, builder: Cells) -> float:
    """Share of the weight of the labelled training cells that the positive ones had in the student's last stage.

    It is 1/2 with `training.class_weights` "balanced", and the share of positive cells with "none".
    """
    stage = next(stage for stage in reversed(recipe.stages) if stage.network == STUDENT)
    labelled = batch_composition(builder, stage.cells, stage.training)[0][0]
    negative, positive, _ = pipeline.label_counts(builder, "train", labelled)
    weights = (1.0, 1.0)
    if stage.training.class_weights == "balanced":
        weights = pipeline.class_weights(builder, labelled)
    return positive * weights[1] / (negative * weights[0] + positive * weights[1])
