"""Checks of a recipe against files and cells, before anything is written or trained."""

import logging
from dataclasses import replace

from tfctc.cells import DAPI, OTHER, OTHER_INDEX
from tfctc.data import pipeline
from tfctc.data.builder import Cells
from tfctc.data.selection import Selection, visible_to
from tfctc.errors import ManifestError
from tfctc.models.weights import check_source
from tfctc.recipes import Recipe
from tfctc.runs.folder import RunFolder

log = logging.getLogger(__name__)


def check_files(recipe: Recipe) -> None:
    """Checks that the files and run folders that a recipe names exist.

    Raises:
        ConfigError: a weights file does not exist.
        RunError: the folder that `distill.teachers` names is not a finished run.
    """
    for source in recipe.initial_weights.values():
        check_source(source)
    if recipe.teachers_from:
        RunFolder.open(recipe.teachers_from)


def check_cells(recipe: Recipe, builder: Cells, data: str) -> None:
    """Checks that every stage has the cells it needs: both classes for training and validation, and DAPI images.

    Args:
        recipe: the recipe, for the split of the data set.
        builder: the run's data.
        data: path of the data set, for error messages.

    Raises:
        ManifestError: a stage lacks cells.
    """
    for stage in recipe.stages:
        if stage.soft_labels:
            shown = visible_to(recipe.teacher_channels)
            _check_classes("teacher", replace(stage.cells[0], with_dapi=shown.with_dapi), shown, builder, data)
        if stage.required is not None:
            _check_classes(stage.name, stage.required, stage.validation, builder, data)
        reading = [name for name, loss in stage.losses.items() if loss.reads_dapi]
        pairs = Selection("all", with_dapi=True)
        if reading and not pipeline.count(builder, "train", pairs):
            kind = "pretraining" if stage.name == "pretraining" else "distillation"
            problem = f"no cell in the training split has the {DAPI} image that {kind} loss {reading[0]} reads"
            raise ManifestError(problem, path=data, fix="fit with --mode brightfield, without pretraining")
    if builder.facts.other and not pipeline.label_counts(builder, "train")[OTHER_INDEX]:
        log.warning("No training cell is %s, so the network will not call any cell so. It needs such patients.", OTHER)


def _check_classes(name: str, training: Selection, validation: Selection, builder: Cells, data: str) -> None:
    """Raises if `name` lacks a class among its labelled cells of the training or of the validation split."""
    for split, selection in (("train", training), ("validation", validation)):
        if lacking := pipeline.missing_classes(builder, split, selection):
            kind = "labelled cell with DAPI" if selection.with_dapi else "labelled cell"
            raise ManifestError(
                f"the {name} has no {kind} of class {lacking[0]} in the {split.replace('train', 'training')} split",
                path=data,
                fix="fit with --mode brightfield" if selection.with_dapi else "label more cells of this class",
            )
