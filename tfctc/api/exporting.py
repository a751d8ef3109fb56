"""Export: `tfctc.export`."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfctc.cells import BRIGHTFIELD, OTHER_INDEX
from tfctc.errors import ConfigError, RunError
from tfctc.io.names import counted
from tfctc.progress import Progress, silent
from tfctc.system.startup import start_tensorflow

if TYPE_CHECKING:
    from tfctc.data.builder import Cells
    from tfctc.exporters.model import TrainedModel
    from tfctc.runs.folder import RunFolder

log = logging.getLogger(__name__)
#: Largest numbers of images: to compare files with Keras, to learn image quality from, and to choose a precision.
PARITY_CELLS, QUALITY_CELLS, CHOICE_CELLS = 256, 2000, 5000
BATCH, CALIBRATION_BATCHES = 64, 200
#: Values of `quantize`.
QUANTIZE = ("none", "float16", "dynamic", "mixed", "int8", "auto")


@dataclass(frozen=True)
class ExportedVersion:
    """A version folder that an export has written.

    Args:
        folder: path of the version folder.
        tflite: paths of its TFLite files, in the order of `quantize`.
        saved_model: whether it holds a SavedModel.
        evaluated: whether the run had been evaluated before the export.
    """

    folder: Path
    tflite: tuple[Path, ...]
    saved_model: bool
    evaluated: bool


def export(
    run: "str | Path | RunFolder",
    output: str | Path = "exports",
    *,
    name: str | None = None,
    tflite: bool = False,
    saved_model: bool = False,
    quantize: str | Sequence[str] = (),
    f1_bound: float = 0.01,
    accept: bool = False,
    progress: Progress = silent,
) -> ExportedVersion:
    """Writes the bright-field-only model of a run to OUTPUT/NAME/VERSION/, with a manifest and a model card.

    Every file is compared with the Keras model on cells of the validation split. If a file differs by more than its
    bound, nothing is written. One exception: the int8 file of the default is left out, and the others are written.

    Args:
        run: run folder.
        output: folder of all exports.
        name: name of the model; None uses the name of the run.
        tflite, saved_model: whether to write TFLite files, and a SavedModel; both are written if neither is True.
        quantize: TFLite files to write, one or more of `QUANTIZE`; implies `tflite`. The default is "none" and "int8".
            "mixed" is int8 except for the first layers. "auto" is the smallest file whose loss of F1 is within
            `f1_bound`.
        f1_bound: for "auto", the largest F1 in [0, 1] that a file may lose against Keras on the validation split. The
            upper end of the 95 % interval of the loss counts.
        accept: whether to export although the evaluation has cautions; the model card repeats them.
        progress: called with the progress of long tasks.

    Raises:
        RunError: the evaluation has cautions, and `accept` is False.
        ExportError: a file that differs from Keras by more than its bound, or fails another check.
        TfctcError: a run that is not finished, or a data set that has changed since the training.
    """
    wanted = (quantize,) if isinstance(quantize, str) else tuple(quantize)
    for value in wanted:
        if value not in QUANTIZE:
            raise ConfigError(f"quantize must be one of {', '.join(QUANTIZE)}, got {value!r}")
    start_tensorflow()
    from tfctc.data.pipeline import id_batches, labelled_batches
    from tfctc.data.selection import ALL, LABELLED
    from tfctc.exporters.litert import CALIBRATED, PRECISIONS
    from tfctc.exporters.model import TrainedModel, model_name
    from tfctc.exporters.quality_model import learn_quality
    from tfctc.exporters.quantization.calibration import calibration_set
    from tfctc.exporters.version import write_version
    from tfctc.models.weights import weights_sha256
    from tfctc.recipes import resolve
    from tfctc.runs.folder import TRAIN_AGAIN, RunFolder

    opened = RunFolder.of(run)
    cautions = (opened.evaluation or {}).get("cautions") or []
    if cautions and not accept:
        problem = f"its evaluation has {counted(len(cautions), 'caution')}: {' '.join(cautions)}"
        raise RunError(problem.rstrip("."), path=opened.folder, fix="to export it all the same, add --accept")
    tflite = tflite or bool(wanted)
    saved_model, tflite = saved_model or not tflite, tflite or not saved_model
    optional = () if wanted else ("int8",)
    precisions = tuple(dict.fromkeys(wanted or ("none", "int8"))) if tflite else ()
    student, builder = opened.student(), opened.builder(progress)
    digest = weights_sha256(student)
    if digest != opened.record["weights_sha256"]["student"]:
        raise RunError("does not hold the student that was trained in it", path=opened.folder, fix=TRAIN_AGAIN)
    opened.check_cells(builder, tuple(student.input), {"train": False, "validation": "auto" in precisions})

    def images(split, limit, selection=LABELLED):
        return _images(id_batches(builder, split, tuple(student.input), BATCH, selection), limit)

    # Image quality is learnt from the cells that the student was trained on, unlabelled ones included, other ones not.
    trained_on = ALL if resolve(opened.config).uses_unlabelled_cells else LABELLED
    record = opened.record
    trained = TrainedModel(
        model=opened.calibrated_student(student),
        name=name or model_name(opened.name),
        facts=opened.facts,
        operating_point=opened.operating_point,
        evaluation=opened.evaluation,
        training={"run": opened.name, "mode": opened.config.mode, "seed": opened.config.seed, "cells": record["cells"]},
        quality=learn_quality(*images("train", QUALITY_CELLS, trained_on)),
        training_cells=_training_cells(opened),
        calibration=opened.calibration.to_dict() if opened.calibration.is_fitted else None,
        trained_sha256=digest,
    )
    calibration: Any = ()
    choice = None
    if {*CALIBRATED, "auto"} & set(precisions):
        cells = labelled_batches(builder, "train", tuple(student.input), BATCH).take(CALIBRATION_BATCHES)
        calibration = calibration_set(cells.as_numpy_iterator())
    if "auto" in precisions:
        chosen, choice = _choose_precision(trained, builder, calibration, f1_bound)
        precisions = tuple(dict.fromkeys(chosen if p == "auto" else p for p in precisions))
    # From every class of every patient in turn, so that the gates see positive cells where these are rare.
    cells = labelled_batches(builder, "validation", tuple(student.input), BATCH).take(CALIBRATION_BATCHES)
    parity = calibration_set(cells.as_numpy_iterator(), PARITY_CELLS)
    folder = write_version(
        trained, Path(output) / trained.name, parity, calibration, saved_model, precisions, optional, choice
    )
    files = [folder / f"model_{PRECISIONS[precision]}.tflite" for precision in precisions]
    written = tuple(file for file in files if file.exists())
    return ExportedVersion(folder, written, saved_model, opened.evaluation is not None)


def _choose_precision(
    trained: "TrainedModel", builder: "Cells", calibration: Any, bound: float
) -> tuple[str, dict[str, Any]]:
    from tfctc.data.pipeline import labelled_batches
    from tfctc.evaluation.difference import f1_loss
    from tfctc.exporters.quantization.smallest import smallest_precision

    cells = next(labelled_batches(builder, "validation", (BRIGHTFIELD,), CHOICE_CELLS).as_numpy_iterator())
    loss: Callable = partial(f1_loss, cells["label"] == 1, cells["patient_id"], trained.threshold)
    return smallest_precision(trained, cells[BRIGHTFIELD], calibration, loss, bound)


def _training_cells(run: "RunFolder") -> bytes:
    """Content of the file by which an evaluation finds training patients and images; empty for an early run."""
    from tfctc.runs.leakage import training_cells

    try:
        return training_cells(run).to_bytes()
    except RunError:
        log.info("The run does not tell its training patients: the exported version cannot be checked for them.")
        return b""


def _images(batches: Any, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of the first `limit` cells that are not other, float32 ``(N, H, W, 1)`` in [0, 1], and their patients."""
    for batch in batches.unbatch().filter(lambda cell: cell["label"] != OTHER_INDEX).batch(limit).take(1):
        return batch[BRIGHTFIELD].numpy(), batch["patient_id"].numpy()
    return np.empty((0,), np.float32), np.empty((0,), bytes)
