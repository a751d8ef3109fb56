"""Runs that take seconds, for tests of what a run learns from and what it refuses."""

import shutil

from made_up import edit_manifest

from tfctc.config import DistillConfig, ModelConfig, RunConfig, SplitConfig, TrainingConfig
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.statistics import measure
from tfctc.training.fit import plan_run
from tfctc.training.networks import build_networks
from tfctc.training.trainer import Trainer

BOTH = ("brightfield", "dapi")
#: A student that reads the logits of a teacher network in every step.
LOGITS = DistillConfig(losses={"logits": {"weight": 2.0, "temperature": 2.0}})


def config(data, mode="distilled", distill=None, **training):
    """Settings of a run of three steps."""
    options = {"epochs": 1, "steps_per_epoch": 3, "batch_size": 8, "precision": "float32", **training}
    return RunConfig(
        str(data), mode=mode, augment={"gain": {}}, split=SplitConfig(validation=0.25, test=0.25),
        student=ModelConfig("tiny"), teacher=ModelConfig("tiny", BOTH),
        distill=distill or LOGITS, training=TrainingConfig(**options),
    )  # fmt: skip


def changed(data, folder, change):
    """A copy of the data set whose manifest's rows `change` has had."""
    shutil.copytree(data, folder, ignore=shutil.ignore_patterns("tfrecords"))
    return edit_manifest(folder, change)


def plan(settings):
    """Plan of a run of these settings."""
    return plan_run(settings, Manifest.open(settings.data))


def trainer(settings, folder):
    """The trainer of a run that has trained nothing yet."""
    planned = plan(settings)
    builder = build(planned.manifest, planned.splits)
    statistics = measure(builder, planned.recipe.channels).normalisation
    networks = build_networks(planned.recipe, tuple(planned.manifest.facts.image_size), statistics)
    return Trainer(planned.recipe, networks, builder, statistics, folder)
