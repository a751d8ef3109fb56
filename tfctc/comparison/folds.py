"""One run of a comparison with folds: a cross-validation without a final model, in one process of the pool."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np

from tfctc.comparison.results import METRICS, Outcome
from tfctc.config import RunConfig
from tfctc.data.manifest import Manifest
from tfctc.errors import TfctcError
from tfctc.evaluation.cross_validation import out_of_fold_metrics
from tfctc.evaluation.out_of_fold import read_out_of_fold, write_out_of_fold
from tfctc.recipes import resolve
from tfctc.runs.folder import FOLDS, RunFolder
from tfctc.training.cross_validation import (
    TEACHER_PREDICTIONS,
    TFRECORDS,
    FoldRun,
    check_same,
    fold_runs,
    train_fold,
    write_results,
)
from tfctc.training.fit import plan_run

#: Out-of-fold predictions of the teachers: each cell by the teacher of the fold that tested its patient.
TEACHER_OUT_OF_FOLD = "teacher_out_of_fold.csv"


def check_folds(configs: Sequence[RunConfig], manifest: Manifest) -> None:
    """Checks that every fold can be trained, also at every label budget. Reads no image and writes nothing.

    Args:
        configs: settings of one run of each arm and budget, with folds.
        manifest: the data set.

    Raises:
        TfctcError: the error of a fold that cannot be trained, with its name.
    """
    different = {}
    for config in configs:
        recipe = resolve(config)
        weights = tuple(sorted(recipe.initial_weights.items()))
        different[config.training.label_budget, recipe.folds, weights] = config
    for config in different.values():
        for run in fold_runs(config, Path(), manifest):
            try:
                plan_run(run.config, manifest)
            except TfctcError as error:
                raise type(error)(f"{run.fold}: {error.problem}", path=error.path, fix=error.fix) from None


def run_folds(config: RunConfig, folder: Path, test: bool, teachers: Path | None) -> Outcome:
    """Trains or resumes the folds of a run one after the other, and evaluates them together. No final model is trained.

    Args:
        config: settings of the run, with folds and without `distill.teachers`.
        folder: its folder; the run folders of the folds are in `FOLDS`.
        test: whether to predict the cells that the folds test; if False, the outcome has validation metrics only.
        teachers: folder of another run with the same folds. Each fold uses the teachers of its fold of the same name,
            which have not been trained on the patients whom the fold tests. None trains new teachers.

    Raises:
        RunError: a fold of other settings or cells, or a training that diverged.
    """
    manifest = Manifest.open(config.data)
    (folder / FOLDS).mkdir(parents=True, exist_ok=True)
    runs = fold_runs(config, folder, manifest, teachers)
    for run in runs:
        if run.done:
            check_same(run, manifest)
        else:
            train_fold(run.config, run.folder, test=test, teachers=True)
    shutil.rmtree(folder / FOLDS / TFRECORDS, ignore_errors=True)
    parts = [trained_outcome(RunFolder.open(run.folder)) for run in runs]
    outcome = Outcome(
        settings="",
        validation=mean(part.validation for part in parts),
        epoch=sum(part.epoch for part in parts),
        epochs=sum(part.epochs for part in parts),
        seconds=sum(part.seconds for part in parts),
        folds=len(parts),
    )
    if not test:
        return outcome
    result = write_results(runs, manifest, config, folder)
    metrics = {name: result.metrics[name].value for name in METRICS}
    metrics |= {f"teacher_{name}": value for name, value in _teacher_metrics(runs, manifest, folder).items()}
    return replace(outcome, patients=result.evaluation.patients, **metrics)


def trained_outcome(run: RunFolder) -> Outcome:
    """Outcome of a trained run that is not tested."""
    epochs = run.history("student")
    best = run.record["best_epoch"]["student"]
    return Outcome(
        settings="",
        validation=float(epochs[best - 1]["val_auroc"]),
        epoch=best,
        epochs=len(epochs),
        seconds=run.record["seconds"],
    )


def _teacher_metrics(runs: Sequence[FoldRun], manifest: Manifest, folder: Path) -> dict[str, float | None]:
    """Metrics of the teachers' out-of-fold predictions; {} without a teacher, or without cells of both classes."""
    tables = []
    for run in runs:
        if (path := run.folder / TEACHER_PREDICTIONS).exists():
            found = read_out_of_fold(path, manifest.facts.positive)
            tables.append((run.fold.repeat, run.fold.number, float(found.threshold[0]), found))
    if not tables:
        return {}
    write_out_of_fold(folder / TEACHER_OUT_OF_FOLD, manifest, tables)
    found = read_out_of_fold(folder / TEACHER_OUT_OF_FOLD, manifest.facts.positive)
    if len(np.unique(found.label)) < 2:
        return {}
    values = out_of_fold_metrics(found)
    return {name: values[name] for name in METRICS}
