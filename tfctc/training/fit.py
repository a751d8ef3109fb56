"""From a manifest to a run folder: the teacher learns from both channels, then teaches the bright-field student."""

import csv
import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tfctc import config as configs
from tfctc._version import __version__
from tfctc.augment.policy import Policy
from tfctc.cells import DAPI
from tfctc.config import ModelConfig, RunConfig
from tfctc.data import pipeline
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.splits import deal
from tfctc.data.summary import summarise
from tfctc.distill.distiller import Distiller
from tfctc.distill.losses import GIVEN, DistillationLoss, build_losses
from tfctc.errors import ManifestError, RunError
from tfctc.evaluation.metrics import choose_threshold
from tfctc.evaluation.predictions import predict
from tfctc.files import atomic_file, write_json
from tfctc.models.backbones import BACKBONES
from tfctc.models.classifier import LOGITS, build_classifier, tapped
from tfctc.models.fast import folded, stock
from tfctc.models.weights import weights_sha256
from tfctc.training import run as layout
from tfctc.training.checkpoints import Checkpoint
from tfctc.training.hardware import POLICIES, choose_precision
from tfctc.training.run import Run
from tfctc.training.stage import Stage
from tfctc.training.strategy import choose_strategy

LIBRARIES = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "scikit-learn")
STATE, LOGS = "state", "logs"


def fit(config: RunConfig, folder: str | Path, say: Callable[[str], None] = print) -> Run:
    """Trains what `config` describes into `folder`, or goes on where an interrupted `fit` stopped there.

    Raises:
        RunError: `folder` holds another run or a finished one.
        TfctcError: anything wrong with the data or the configuration; nothing has been trained then.
    """
    folder, started = Path(folder), time.monotonic()
    manifest = Manifest.open(config.data)
    assignment = deal(manifest.groups(config.split.by), manifest.facts, config.split, config.seed)
    losses = build_losses(config.distill.losses)
    _check_names(config)
    config = _as_begun(config, folder)
    _check_free(folder, config)
    dealt = {"by": config.split.by, "groups": assignment}
    _check_same_cells(folder, dealt, configs.to_dict(manifest.facts))
    # Reads every image: one that cannot be used is told before a run folder exists.
    builder = build(manifest, assignment, config.split.by, progress=say)
    write_json(folder / layout.CONFIG, configs.to_dict(config))
    write_json(folder / layout.SPLITS, dealt)
    write_json(folder / layout.FACTS, configs.to_dict(manifest.facts))
    if config.training.precision == "auto":
        size, batch = tuple(manifest.facts.image_size), config.training.batch_size
        config = _in_precision(config, choose_precision(config.student, size, batch, say))
        write_json(folder / layout.CONFIG, configs.to_dict(config))
    keras.mixed_precision.set_dtype_policy(POLICIES[config.training.precision])
    try:
        with choose_strategy().scope():
            record = _train(config, builder, losses, folder, say)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    # Last: its presence says that the run is whole.
    write_json(folder / layout.RECORD, record | {"seconds": round(time.monotonic() - started, 1)})
    shutil.rmtree(folder / STATE)
    return Run.open(folder)


def _check_names(config: RunConfig) -> None:
    """Whatever names the configuration uses are known, before anything is written or trained."""
    Policy.from_config(config.augment)
    for part in (config.student, config.teacher):
        BACKBONES[part.backbone]


def _as_begun(config: RunConfig, folder: Path) -> RunConfig:
    """`config`, its "auto" replaced by what an unfinished run in `folder` began with."""
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
        raise RunError("holds a finished run", path=folder, fix=fix)
    if saved.exists():
        if configs.load(RunConfig, saved) != config:
            raise RunError("holds an unfinished run of another configuration", path=folder, fix=fix)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError("exists already and is not a run folder", path=folder, fix=fix)


def _check_same_cells(folder: Path, dealt: dict, facts: dict) -> None:
    """An unfinished run goes on with the patients it began with: dealt anew, trained ones could end up in the test."""
    for name, now in ((layout.SPLITS, dealt), (layout.FACTS, facts)):
        if (folder / name).exists() and json.loads((folder / name).read_text(encoding="utf-8")) != now:
            raise RunError(
                "holds an unfinished run on other cells: the data set has changed since",
                path=folder,
                fix="choose another --output, or put the manifest back as it was",
            )


def _train(config: RunConfig, builder, losses: dict[str, DistillationLoss], folder: Path, say) -> dict:
    distilled = config.mode == "distilled"
    channels = tuple(dict.fromkeys(config.student.channels + (config.teacher.channels if distilled else ())))
    say("Counting cells and measuring the training pixels")
    summary = summarise(builder, channels)
    if DAPI in channels and not summary.labelled_pairs:
        raise ManifestError("no labelled training cell has DAPI", path=config.data, fix="--mode brightfield")

    def network(part: ModelConfig, name: str, seed: int) -> keras.Model:
        # Seeded by its own number, so that a run continued after the teacher starts the same student.
        keras.utils.set_random_seed(seed)
        return build_classifier(part, tuple(builder.facts.image_size), summary.normalisation, name)

    outcomes = {}
    teacher_seed, student_seed = (int(s) >> 1 for s in np.random.SeedSequence(config.seed).generate_state(2))
    if distilled:
        stage = Stage("teacher", teacher_seed, config, folder / STATE, folder / LOGS, builder)
        teacher = network(config.teacher, "teacher", teacher_seed)
        say(f"Teacher: {config.teacher.backbone} on {' + '.join(config.teacher.channels)}")
        outcomes["teacher"] = stage.train(teacher, teacher, config.teacher.channels, labelled_only=True)
        _save(stock(teacher), folder / layout.TEACHER)

    stage = Stage("student", student_seed, config, folder / STATE, folder / LOGS, builder)
    student = model = network(config.student, "student", student_seed)
    if distilled:
        model = Distiller(
            tapped(student, config.student, {LOGITS}.union(*(loss.student_taps for loss in losses.values()))),
            tapped(
                folded(teacher),
                config.teacher,
                {LOGITS}.union(*(loss.teacher_taps for loss in losses.values())).difference(GIVEN),
            ),
            losses,
            config.distill.student_weight,
        )
    taught = f"taught through {', '.join(losses)}" if distilled and losses else "from labels alone"
    say(f"Student: {config.student.backbone} on {' + '.join(config.student.channels)}, {taught}")
    outcomes["student"] = stage.train(model, student, channels, labelled_only=not distilled)
    student = stock(student)
    _save(student, folder / layout.STUDENT)
    _write_history(folder / layout.HISTORY, outcomes)
    _choose_operating_point(student, builder, folder)
    return {
        "tfctc": __version__,
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "seed": config.seed,
        "simulated": builder.facts.simulated,
        "tfrecords": builder.builder_config.name,
        "cells": summary.cells,
        "normalisation": summary.normalisation,
        "best_epoch": {name: checkpoint.best_epoch for name, checkpoint in outcomes.items()},
        "weights_sha256": {m.name: weights_sha256(m) for m in ([teacher, student] if distilled else [student])},
    }


def _save(model: keras.Model, path: Path) -> None:
    with atomic_file(path) as temporary:
        model.save(temporary)


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
