"""Cross-validation: one run for each fold, then the final model, trained on all patients.

Every fold is an ordinary run in RUN/folds. RUN itself is the run of the final model. So an interrupted cross-validation
goes on with the unfinished folds.
"""

import logging
import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfctc import config as configs
from tfctc.config import RunConfig
from tfctc.data.builder import Cells, build
from tfctc.data.folds import Fold, make_folds
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import count, missing_classes
from tfctc.data.selection import visible_to
from tfctc.errors import RunError
from tfctc.evaluation.cross_validation import CrossValidation, cross_validated
from tfctc.evaluation.keras_predictions import predict_splits
from tfctc.evaluation.metrics import choose_threshold
from tfctc.evaluation.operating_points import OperatingPoint
from tfctc.evaluation.out_of_fold import read_out_of_fold, write_out_of_fold
from tfctc.io.files import output_errors, write_json
from tfctc.io.locks import folder_lock
from tfctc.progress import Progress, silent
from tfctc.recipes import Recipe, resolve
from tfctc.runs import folder as layout
from tfctc.runs.folder import RunFolder
from tfctc.runs.predictions import read_predictions, write_predictions
from tfctc.system.pool import available_cores, logged_to, process_pool, run_jobs
from tfctc.system.startup import has_gpu
from tfctc.training.calibrate import calibrate, predict_calibrated
from tfctc.training.fit import as_begun, check_free, fit, plan_run, removed_if_unused
from tfctc.training.teacher_predictions import predict_with_teachers

log = logging.getLogger(__name__)
#: Largest number of folds trained at a time, unless it is given: each needs memory of its own.
MOST_WORKERS = 4
#: Threads of each fold. A fixed number, so that the weights do not depend on the number of folds trained at a time.
THREADS = 1
#: Folder of the tfrecords of the folds, which are removed when a fold is done.
TFRECORDS = "tfrecords"
#: Predictions of the teacher of a fold for the cells that the fold tests, in the form of `layout.OUT_OF_FOLD`.
TEACHER_PREDICTIONS = "teacher_predictions.csv"


@dataclass(frozen=True)
class FoldRun:
    """The run of one fold.

    Args:
        fold: the fold.
        config: settings of the run.
        folder: its run folder.
    """

    fold: Fold
    config: RunConfig
    folder: Path

    @property
    def done(self) -> bool:
        """Whether the fold has been trained and has predicted the patients that it tests."""
        return (self.folder / layout.PREDICTIONS).exists() and (self.folder / layout.RECORD).exists()


def cross_validate(
    config: RunConfig,
    folder: str | Path,
    manifest: Manifest | None = None,
    recipe: Recipe | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> RunFolder:
    """Trains all folds and the final model, or continues an unfinished cross-validation of the same settings.

    Args:
        config: settings, with `cross_validation.folds`.
        folder: run folder of the final model; created if it does not exist.
        manifest: the data set; None opens `config.data`.
        recipe: recipe of `config`; None resolves it.
        workers: number of folds trained at a time; None is one for each core, at most `MOST_WORKERS`, and 1 on a GPU.
            The results do not depend on it.
        progress: called with the progress of the final model's training.

    Raises:
        RunError: `folder` holds another run or a finished one, or is in use; or a training diverged.
        TfctcError: data or settings that cannot be used; nothing has been trained then.
    """
    folder = Path(folder)
    manifest = manifest or Manifest.open(config.data)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with removed_if_unused(folder):
        # Everything that can be wrong is found before the first fold is trained.
        plan = plan_run(as_begun(config, folder), manifest, recipe)
        check_free(folder, plan.config)
        runs = fold_runs(plan.config, folder, manifest)
        for run in runs:
            if not run.done:
                plan_run(run.config, manifest)
        write_json(folder / layout.CONFIG, configs.to_dict(plan.config))
    with folder_lock(folder / layout.FOLDS, "tfctc fit"):
        _train_folds(runs, manifest, workers)
        write_results(runs, manifest, plan.config, folder)
        shutil.rmtree(folder / layout.FOLDS / TFRECORDS, ignore_errors=True)
        log.info("Training the final model on all patients")
        return fit(plan.config, folder, manifest, progress=progress)


def cross_validation_of(run: RunFolder, point: OperatingPoint | None = None) -> CrossValidation:
    """Metrics of a cross-validated run, computed from the files in its folder.

    Args:
        run: the run.
        point: operating point of the final model, chosen on the out-of-fold predictions; None for that of best F1.

    Raises:
        RunError: a file that is missing or damaged.
    """
    predictions = read_out_of_fold(run.folder / layout.OUT_OF_FOLD, run.facts.positive)
    record = run.cross_validation
    if record is None:
        raise RunError(f"has no {layout.CROSS_VALIDATION}", path=run.folder, fix="run fit with --folds")
    return cross_validated(predictions, run.facts, record["scheme"], record["folds"], point=point)


def fold_runs(config: RunConfig, folder: Path, manifest: Manifest, teachers: Path | None = None) -> list[FoldRun]:
    """The runs of all folds. The assignment to folds stays the same; each repeat has another seed for everything else.

    Args:
        config: settings of the cross-validation.
        folder: its folder.
        manifest: the data set.
        teachers: folder of another cross-validation on the same folds, with the teachers of its folds. Each fold uses
            the teachers of the same fold, which have not been trained on the patients whom it tests. None trains new
            teachers.

    Raises:
        SplitError: as `make_folds`.
    """
    return [_fold_run(fold, config, folder, teachers) for fold in make_folds(manifest, config)]


def _fold_run(fold: Fold, config: RunConfig, folder: Path, teachers: Path | None) -> FoldRun:
    split = replace(config.split, seed=config.seed if config.split.seed is None else config.split.seed)
    cross_validation = replace(config.cross_validation, fold=fold.name)
    source = None if teachers is None else str(teachers / layout.FOLDS / fold.name)
    settings = replace(
        config,
        seed=config.seed + fold.repeat,
        split=split,
        cross_validation=cross_validation,
        distill=replace(config.distill, teachers=source),
    )
    return FoldRun(fold, settings, folder / layout.FOLDS / fold.name)


def _train_folds(runs: Sequence[FoldRun], manifest: Manifest, workers: int | None) -> None:
    """Trains the folds that are not done, several at a time."""
    by_fold = {run.fold: run for run in runs}
    left = {run.fold: run for run in runs if not run.done}
    for run in by_fold.values():
        if run.done:
            check_same(run, manifest)
    if not left:
        return
    workers = workers or (1 if has_gpu() else min(available_cores(), MOST_WORKERS))
    workers = min(workers, len(left))
    log.info(
        "Training %d of %d folds, %d at a time; their logs are in %s",
        len(left), len(runs), workers, runs[0].folder.parent,
    )  # fmt: skip
    with process_pool(workers, THREADS) as pool:

        def start(fold: Fold) -> Future:
            return pool.submit(train_fold, by_fold[fold].config, by_fold[fold].folder)

        def finish(fold: Fold, seconds: float) -> None:
            del left[fold]
            log.info("%s: %.0f s; %d to go", fold, seconds, len(left))

        run_jobs(workers, lambda: list(left), start, finish)


def train_fold(config: RunConfig, folder: Path, test: bool = True, teachers: bool = False) -> float:
    """Work of a process: trains a fold, or continues it, and predicts the cells that it tests.

    The logs for TensorBoard are not kept.

    Args:
        config: settings of the fold's run.
        folder: its run folder.
        test: whether to predict the cells that the fold tests; a later call can do it.
        teachers: whether to keep the teachers, and to predict the tested cells with them too (`TEACHER_PREDICTIONS`).

    Returns:
        Seconds of the training.

    Raises:
        RunError: `folder` holds a fold of other settings or cells, or the training diverged.
    """
    with logged_to(folder.parent / f"{folder.name}.log"):
        manifest, tfrecords = Manifest.open(config.data), folder.parent / TFRECORDS
        finished = (folder / layout.RECORD).exists()
        run = RunFolder.open(folder) if finished else fit(config, folder, manifest, data_dir=tfrecords)
        if run.config != config or not run.was_trained_on(manifest):
            raise _other_run(folder)
        shutil.rmtree(folder / "logs", ignore_errors=True)
        found = {}
        if test or not finished:
            builder = build(manifest, run.splits, tfrecords)
            if test:
                found = predict_splits(run.calibrated_student(), builder)
                if teachers:
                    _predict_with_teacher(run, builder)
            shutil.rmtree(Path(builder.data_path).parent, ignore_errors=True)
        if not teachers:
            for path in folder.glob("teacher*.keras"):
                path.unlink()
        if test:  # Written last: a fold with predictions is done.
            write_predictions(folder / layout.PREDICTIONS, found["test"], manifest, run.operating_point["threshold"])
        return float(run.record["seconds"])


def _predict_with_teacher(run: RunFolder, builder: Cells) -> None:
    """Writes the teacher's predictions for the tested cells with all of its channels, if there is a teacher and a cell.

    The probability is calibrated as a student's is, so that the teachers of different folds have the same scale: a
    metric over all patients depends on it. The threshold has the best F1 on the validation cells.
    """
    recipe = resolve(run.config).on(run.splits)
    if not recipe.teacher_channels:
        return
    visible = visible_to(recipe.teacher_channels)
    if not count(builder, "test", visible) or missing_classes(builder, "validation", visible):
        return
    if recipe.stages[-1].soft_labels:
        found = predict_with_teachers(run, builder)
        validation, test = found["validation"], found["test"]
    else:
        model = run.teacher()
        calibration, validation = calibrate(model, recipe, builder)
        test = predict_calibrated(model, builder, "test", calibration)
    threshold = choose_threshold(validation.label, validation.probability)
    repeat, number = map(int, str(run.config.cross_validation.fold).split("-"))
    write_out_of_fold(run.folder / TEACHER_PREDICTIONS, builder.manifest, [(repeat, number, threshold, test)])


def check_same(run: FoldRun, manifest: Manifest) -> None:
    """Checks that a fold that is done was trained with these settings on these cells.

    Raises:
        RunError: it was not.
    """
    found = RunFolder.open(run.folder)
    same = found.splits.assignment == dict(run.fold.assignment)
    if found.config != run.config or not same or not found.was_trained_on(manifest):
        raise _other_run(run.folder)


def _other_run(folder: Path) -> RunError:
    fix = f"remove {folder}, or begin anew with another --output"
    return RunError("holds a fold of other settings or cells", path=folder, fix=fix)


def write_results(runs: Sequence[FoldRun], manifest: Manifest, config: RunConfig, folder: Path) -> CrossValidation:
    """Writes the out-of-fold predictions, the facts of the folds, and the metrics; returns the metrics.

    Args:
        runs: the runs of all folds, done.
        manifest: the data set.
        config: settings of the cross-validation.
        folder: its folder.
    """
    facts, entries, tables = manifest.facts, [], []
    for run in runs:
        fold_run = RunFolder.open(run.folder)
        threshold = fold_run.operating_point["threshold"]
        tables.append(
            (run.fold.repeat, run.fold.number, threshold, read_predictions(run.folder / layout.PREDICTIONS, facts))
        )
        entries.append(_entry(run.fold, fold_run, threshold))
    write_out_of_fold(folder / layout.OUT_OF_FOLD, manifest, tables)
    found = read_out_of_fold(folder / layout.OUT_OF_FOLD, facts.positive)
    scheme = config.cross_validation.folds
    assert scheme is not None
    result = cross_validated(found, facts, scheme, entries)
    write_json(folder / layout.EVALUATION, result.to_dict())
    write_json(folder / layout.CROSS_VALIDATION, result.to_dict())
    return result


def _entry(fold: Fold, run: RunFolder, threshold: float) -> dict[str, Any]:
    """Facts of a fold for cross_validation.json."""
    return {
        "repeat": fold.repeat,
        "fold": fold.number,
        "tested": fold.patients("test"),
        "patients": {split: len(fold.patients(split)) for split in run.record["cells"]},
        "cells": run.record["cells"],
        "best_epoch": run.record["best_epoch"],
        "threshold": threshold,
        "seconds": run.record["seconds"],
    }
