"""Training from the data set to the run folder: split, recipe, checks, training, threshold, record."""

import contextlib
import importlib.metadata
import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from tfctc import config as configs
from tfctc._version import __version__
from tfctc.config import RunConfig
from tfctc.data.builder import build
from tfctc.data.manifest import FACTS, Manifest
from tfctc.data.splits import Splits
from tfctc.data.statistics import measure
from tfctc.errors import RunError
from tfctc.io.files import write_json
from tfctc.io.locks import FOLDER_LOCK, folder_lock
from tfctc.models.fast import to_stock
from tfctc.models.weights import weights_sha256
from tfctc.progress import Progress, silent
from tfctc.recipes import Recipe, resolve, stream_seed
from tfctc.recipes.recipe import STUDENT
from tfctc.runs import folder as layout
from tfctc.runs.cells import cell_digests
from tfctc.runs.folder import RunFolder
from tfctc.runs.history import write_history
from tfctc.runs.images import used_images, write_used_images
from tfctc.runs.leakage import check_leakage, initial_runs
from tfctc.runs.splitting import make_splits
from tfctc.system.precision import POLICIES, choose_precision
from tfctc.system.processor import processor_flags
from tfctc.system.startup import choose_strategy, has_gpu
from tfctc.training.calibrate import calibrate_student
from tfctc.training.checks import check_cells, check_files
from tfctc.training.earlier_teachers import find_teachers, load_teachers
from tfctc.training.networks import build_networks
from tfctc.training.trainer import STATE, Trainer

log = logging.getLogger(__name__)
#: File with the digest of the cells of an unfinished run.
CELLS = f"{STATE}/cells.json"
LIBRARIES = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Plan:
    """Everything decided about a run before it trains.

    Args:
        config: settings, with the precision decided.
        recipe: recipe for the split of the data set.
        manifest: the data set.
        splits: split of its patients.
        record: entries of the run's record that are known before the training: patients and digests of cells.
    """

    config: RunConfig
    recipe: Recipe
    manifest: Manifest
    splits: Splits
    record: dict[str, Any]


def plan_run(config: RunConfig, manifest: Manifest, recipe: Recipe | None = None) -> Plan:
    """Plan of a run: split of the data set and recipe. Reads no image and writes nothing.

    Args:
        config: settings of the training.
        manifest: the data set.
        recipe: recipe of `config`; None resolves it.

    Raises:
        TfctcError: settings, cells, files or initial weights that cannot be used.
    """
    recipe = recipe or resolve(config)
    if config.training.precision == "auto":
        choice = choose_precision(config.student.backbone, processor_flags(), has_gpu())
        log.info("Precision %s: %s.", choice.precision, choice.reason)
        config = replace(config, training=replace(config.training, precision=choice.precision))
        recipe = replace(recipe, precision=choice.precision)
    check_files(recipe)
    splits = make_splits(manifest, config, recipe.folds, stream_seed(config.seed, "labels"))
    patients = check_leakage(config, manifest, splits, recipe.initial_weights, recipe.folds)
    return Plan(config, recipe.on(splits), manifest, splits, patients | cell_digests(manifest, splits))


def fit(
    config: RunConfig,
    folder: str | Path,
    manifest: Manifest | None = None,
    recipe: Recipe | None = None,
    progress: Progress = silent,
    data_dir: Path | None = None,
) -> RunFolder:
    """Trains a run, or continues an unfinished run of the same settings.

    Args:
        config: settings of the training.
        folder: run folder; created if it does not exist.
        manifest: the data set; None opens `config.data`.
        recipe: recipe of `config`; None resolves it.
        progress: called with the progress of long tasks.
        data_dir: folder of the tfrecords; None is that of the data set.

    Raises:
        RunError: `folder` holds another run or a finished one, or is in use; or the training diverged.
        TfctcError: data or settings that cannot be used; nothing has been trained then.
    """
    folder, started = Path(folder), time.monotonic()
    manifest = manifest or Manifest.open(config.data)
    with removed_if_unused(folder), folder_lock(folder, "tfctc fit"):
        plan = plan_run(as_begun(config, folder), manifest, recipe)
        check_free(folder, plan.config)
        _check_same_cells(folder, plan)
        record = _train(plan, folder, progress, data_dir) | plan.record
        record["seconds"] = round(record["seconds"] + time.monotonic() - started, 1)
        # Written last: a run folder with a record is complete.
        write_json(folder / layout.RECORD, record)
        shutil.rmtree(folder / STATE)
        return RunFolder.open(folder)


def _train(plan: Plan, folder: Path, progress: Progress, data_dir: Path | None) -> dict[str, Any]:
    """Builds the tfrecords, checks cells and teachers, and trains; returns the run's record."""
    recipe, facts = plan.recipe, plan.manifest.facts
    # Reads every image, so that an image that cannot be used is an error before the run writes anything.
    builder = build(plan.manifest, plan.splits, data_dir, progress)
    log.info("Counting cells and measuring the training pixels")
    statistics = measure(builder, recipe.channels)
    check_cells(recipe, builder, plan.config.data)
    source = find_teachers(recipe, plan.config, plan.manifest, plan.splits) if recipe.teachers_from else None
    keras.mixed_precision.set_dtype_policy(POLICIES[recipe.precision])
    try:
        with choose_strategy().scope():
            networks = build_networks(recipe, facts.image_size, statistics.normalisation, len(facts.labels))
            write_json(folder / layout.CONFIG, configs.to_dict(plan.config))
            write_json(folder / layout.SPLITS, plan.splits.to_dict())
            write_json(folder / FACTS, configs.to_dict(facts))
            write_json(folder / CELLS, plan.manifest.digest)
            trainer = Trainer(recipe, networks, builder, statistics.normalisation, folder, progress)
            if source:
                log.info("Teachers: those of %s", source.folder)
                trainer.use_teachers(load_teachers(source))
            trainer.train()
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    write_history(folder / layout.HISTORY, {name: c.history for name, c in trainer.checkpoints.items()})
    write_used_images(folder / layout.IMAGES, used_images(builder), initial_runs(recipe.initial_weights))
    calibrate_student(to_stock(networks[STUDENT]), recipe, builder, folder)
    return {
        "tfctc": __version__,
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "seed": plan.config.seed,
        "manifest": plan.manifest.digest,
        "splits": plan.splits.digest,
        "simulated": facts.simulated,
        "tfrecords": builder.builder_config.name,
        "cells": statistics.cells,
        "normalisation": statistics.normalisation,
        "best_epoch": {name: checkpoint.best_epoch for name, checkpoint in trainer.checkpoints.items()},
        # Time of earlier sessions, up to their saved states.
        "seconds": sum(checkpoint.earlier_seconds for checkpoint in trainer.checkpoints.values()),
        "weights_sha256": {name: weights_sha256(network) for name, network in networks.items()},
    }


def as_begun(config: RunConfig, folder: Path) -> RunConfig:
    """Settings in which the precision "auto" is replaced by that of the unfinished run in `folder`, if there is one."""
    saved = folder / layout.CONFIG
    if config.training.precision == "auto" and saved.exists():
        precision = configs.load(RunConfig, saved).training.precision
        return replace(config, training=replace(config.training, precision=precision))
    return config


def check_free(folder: Path, config: RunConfig) -> None:
    """Checks that `folder` is empty or holds an unfinished run of the same settings."""
    saved, fix = folder / layout.CONFIG, "choose another --output"
    if (folder / layout.RECORD).exists():
        raise RunError("holds a finished run", path=folder, fix=f"{fix}, or go on with tfctc evaluate")
    if saved.exists():
        if configs.load(RunConfig, saved) != config:
            raise RunError("holds an unfinished run of other settings", path=folder, fix=fix)
    elif any(path.name != FOLDER_LOCK for path in folder.iterdir()):
        raise RunError("exists already and is not a run folder", path=folder, fix=fix)


def _check_same_cells(folder: Path, plan: Plan) -> None:
    """Checks that the cells and splits of an unfinished run have not changed: it could be tested on training cells."""
    fix = "begin a new run with another --output"
    if not (folder / CELLS).exists():
        return
    if json.loads((folder / CELLS).read_text(encoding="utf-8")) != plan.manifest.digest:
        problem = "holds an unfinished run on other cells: the data set has changed since"
        raise RunError(problem, path=folder, fix=fix)
    if Splits.from_dict(json.loads((folder / layout.SPLITS).read_text(encoding="utf-8"))).digest != plan.splits.digest:
        problem = "holds an unfinished run with other splits: the table or run that gives them has changed since"
        raise RunError(problem, path=folder, fix=fix)


@contextlib.contextmanager
def removed_if_unused(folder: Path) -> Iterator[None]:
    """Removes `folder` if the block fails and the folder is empty."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
