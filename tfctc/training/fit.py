"""From a manifest to a run folder: the teacher learns from both channels, then teaches the bright-field student."""

import contextlib
import csv
import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import keras

from tfctc import config as configs
from tfctc._version import __version__
from tfctc.config import RunConfig
from tfctc.data import pipeline
from tfctc.data.builder import build
from tfctc.data.manifest import FACTS, Manifest
from tfctc.data.splits import deal, deal_folds
from tfctc.errors import RunError
from tfctc.evaluation.metrics import choose_threshold
from tfctc.evaluation.predictions import predict
from tfctc.files import alone_in, atomic_file, write_json
from tfctc.models.weights import weights_sha256
from tfctc.training import run as layout
from tfctc.training.checkpoints import Checkpoint
from tfctc.training.checks import check_names
from tfctc.training.course import STATE, Course
from tfctc.training.devices import choose_strategy
from tfctc.training.hardware import POLICIES, choose_precision
from tfctc.training.patients import patients_of
from tfctc.training.roles import teacher_of
from tfctc.training.run import Run
from tfctc.training.student import check_networks, train_student
from tfctc.training.teachers import earlier, taken_over, train_teachers

#: Of an unfinished run: the digest of the cells that it began with.
CELLS = f"{STATE}/cells.json"
LIBRARIES = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "scikit-learn")


def fit(config: RunConfig, folder: str | Path, say: Callable[[str], None] = print) -> Run:
    """Trains what `config` describes into `folder`, or goes on where an interrupted `fit` stopped there.

    Raises:
        RunError: `folder` holds another run or a finished one, or another fit is at work there.
        TfctcError: anything wrong with the data or the configuration; nothing has been trained then.
    """
    manifest = Manifest.open(config.data)
    check_names(config)
    with alone_in(Path(folder), "tfctc fit"), _left_only_if_used(Path(folder)):
        return _fit(config, manifest, Path(folder), say)


def _fit(config: RunConfig, manifest: Manifest, folder: Path, say: Callable[[str], None]) -> Run:
    started = time.monotonic()
    config = _as_begun(config, folder)
    _check_free(folder, config)
    dealt = deal_groups(config, manifest)
    assignment = dealt["groups"]
    # Now: while it trains, somebody may edit the manifest.
    whom = patients_of(config, manifest, assignment)
    whom |= layout.seen_in(manifest, assignment, config.split.by)
    cells = manifest.digest()
    _check_same_cells(folder, cells)
    # Reads every image. What cannot be used, of them or of the settings, is told before anything is written.
    builder = build(manifest, assignment, config.split.by, progress=say)
    course = Course.prepare(config, builder, folder, dealt, cells, say)
    check_networks(course)
    if course.teacher and config.distill.teachers:
        earlier(course)
    write_json(folder / layout.CONFIG, configs.to_dict(config))
    write_json(folder / layout.SPLITS, dealt)
    write_json(folder / FACTS, configs.to_dict(manifest.facts))
    write_json(folder / CELLS, cells)
    if config.training.precision == "auto":
        size, batch = tuple(manifest.facts.image_size), config.training.batch_size
        config = _in_precision(config, choose_precision(config.student, size, batch, say))
        course = replace(course, config=config)
        write_json(folder / layout.CONFIG, configs.to_dict(config))
    keras.mixed_precision.set_dtype_policy(POLICIES[config.training.precision])
    try:
        with choose_strategy().scope():
            record = _train(course)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    record |= whom
    record["seconds"] = round(record["seconds"] + time.monotonic() - started, 1)
    # Last: its presence says that the run is whole.
    write_json(folder / layout.RECORD, record)
    shutil.rmtree(folder / STATE)
    return Run.open(folder)


def deal_groups(config: RunConfig, manifest: Manifest) -> dict:
    """Which group is in which split and, with several teachers, which training group in which fold."""
    groups = manifest.groups(config.split.by)
    seed = config.seed if config.split.seed is None else config.split.seed
    assignment = deal(groups, manifest.facts, config.split, seed)
    dealt = {"by": config.split.by, "groups": assignment}
    if teacher_of(config) and config.distill.folds > 1:
        training = {group: counts for group, counts in groups.items() if assignment[group] == "train"}
        dealt["folds"] = deal_folds(training, manifest.facts, config.distill.folds, seed)
    return dealt


def _as_begun(config: RunConfig, folder: Path) -> RunConfig:
    """`config`, its "auto" replaced by what the run in `folder`, if there is one, began with."""
    saved = folder / layout.CONFIG
    if config.training.precision == "auto" and saved.exists():
        return _in_precision(config, configs.load(RunConfig, saved).training.precision)
    return config


def _in_precision(config: RunConfig, precision: str) -> RunConfig:
    return replace(config, training=replace(config.training, precision=precision))


def _check_free(folder: Path, config: RunConfig) -> None:
    saved = folder / layout.CONFIG
    fix = "choose another --output"
    if (folder / layout.RECORD).exists():
        raise RunError("holds a finished run", path=folder, fix=f"{fix}, or go on with tfctc evaluate")
    if saved.exists():
        if configs.load(RunConfig, saved) != config:
            raise RunError("holds an unfinished run of another configuration", path=folder, fix=fix)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError("exists already and is not a run folder", path=folder, fix=fix)


@contextlib.contextmanager
def _left_only_if_used(folder: Path) -> Iterator[None]:
    """Stopped before anything is in `folder`, takes it away again."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def _check_same_cells(folder: Path, cells: str) -> None:
    """An unfinished run goes on with the cells it began with: dealt anew, trained ones could end up in the test."""
    if (folder / CELLS).exists() and json.loads((folder / CELLS).read_text(encoding="utf-8")) != cells:
        raise RunError(
            "holds an unfinished run on other cells: the data set has changed since",
            path=folder,
            fix="choose another --output, or put the manifest back as it was",
        )


def _train(course: Course) -> dict:
    config, builder, folder, teachers = course.config, course.builder, course.folder, []
    if course.teacher:
        teachers = taken_over(course) if config.distill.teachers else train_teachers(course)
    student = train_student(course, teachers)
    _write_history(folder / layout.HISTORY, course.outcomes)
    _choose_operating_point(student, builder, folder)
    return {
        "tfctc": __version__,
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "seed": config.seed,
        "manifest": course.cells,
        "simulated": builder.facts.simulated,
        "tfrecords": builder.builder_config.name,
        "cells": course.summary.cells,
        "normalisation": course.summary.normalisation,
        "best_epoch": {name: checkpoint.best_epoch for name, checkpoint in course.outcomes.items()},
        # Of earlier sessions, as far as their work was saved.
        "seconds": sum(checkpoint.earlier for checkpoint in course.outcomes.values()),
        "weights_sha256": {m.name: weights_sha256(m) for m in [*teachers, student]},
    }


def _write_history(path: Path, outcomes: dict[str, Checkpoint]) -> None:
    rows = [
        {"stage": name, "epoch": epoch, **logs}
        for name, checkpoint in outcomes.items()
        for epoch, logs in enumerate(checkpoint.history, 1)
    ]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _choose_operating_point(student: keras.Model, builder, folder: Path) -> None:
    answers = predict(student, pipeline.labelled_records(builder, "validation", tuple(student.input), 256))
    point = {"threshold": choose_threshold(answers.label, answers.probability), "rule": "f1"}
    write_json(folder / layout.OPERATING_POINT, point | {"chosen_on": "validation", "cells": len(answers)})
