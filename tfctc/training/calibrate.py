"""Calibration of a trained student on the validation cells, and the threshold of its calibrated probability."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tfctc.data import pipeline
from tfctc.data.builder import Cells
from tfctc.evaluation.calibration import Calibration, fit_calibration
from tfctc.evaluation.keras_predictions import predict_logits
from tfctc.evaluation.metrics import choose_threshold
from tfctc.evaluation.out_of_fold import read_out_of_fold
from tfctc.evaluation.predictions import Predictions
from tfctc.io.files import write_json
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
        student: the trained network, channels by name -> logits ``(B, K)``.
        recipe: recipe of the training.
        builder: the run's data.
        folder: the run folder.
    """
    calibration, predictions = calibrate(student, recipe, builder)
    chosen_on, cells_of_choice = "validation", predictions
    if (folder / OUT_OF_FOLD).exists():
        # Predictions for every patient, in place of the few of validation.
        chosen_on, cells_of_choice = "out-of-fold", read_out_of_fold(folder / OUT_OF_FOLD, builder.facts.positive)
    threshold = choose_threshold(cells_of_choice.label, cells_of_choice.probability)
    point = {"threshold": threshold, "rule": "f1", "chosen_on": chosen_on, "cells": len(cells_of_choice)}
    write_json(folder / CALIBRATION, calibration.to_dict())
    write_predictions(folder / VALIDATION_PREDICTIONS, predictions, builder.manifest, threshold)
    write_json(folder / OPERATING_POINT, point)


def calibrate(model: keras.Model, recipe: Recipe, builder: Cells) -> tuple[Calibration, Predictions]:
    """Calibration of a network on the labelled validation cells, and its calibrated predictions for them.

    Args:
        model: channels by name -> logits ``(B, K)``.
        recipe: recipe of the training.
        builder: the run's data.
    """
    raw, logits = _predict(model, builder, "validation")
    prevalence, other_bias = network_prior(recipe, builder)
    calibration = fit_calibration(raw.label, logits, raw.patient_id, prevalence, "validation", other_bias)
    return calibration, _calibrated(raw, logits, calibration)


def predict_calibrated(model: keras.Model, builder: Cells, split: str, calibration: Calibration) -> Predictions:
    """Calibrated predictions for the labelled cells of a split that have all channels of the network."""
    return _calibrated(*_predict(model, builder, split), calibration)


def _predict(model: keras.Model, builder: Cells, split: str) -> tuple[Predictions, np.ndarray]:
    return predict_logits(model, pipeline.labelled_batches(builder, split, tuple(model.input), 256))


def _calibrated(raw: Predictions, logits: np.ndarray, calibration: Calibration) -> Predictions:
    probability = calibration(logits).astype(np.float32)  # as a network gives it
    return replace(raw, probability=probability, is_other=calibration.is_other(logits))


def network_prior(recipe: Recipe, builder: Cells) -> tuple[float, float]:
    """`tfctc.data.pipeline.network_prior` of the labelled training cells, in the student's last stage."""
    stage = next(stage for stage in reversed(recipe.stages) if stage.network == STUDENT)
    labelled = batch_composition(builder, stage.cells, stage.training)[0][0]
    return pipeline.network_prior(builder, labelled, stage.training.class_weights == "balanced")
