"""Runs that take seconds, for tests of what a run learns from and what it refuses."""

import shutil

from made_up import edit_manifest

from tfctc.config import DistillConfig, ModelConfig, RunConfig, SplitConfig, TrainingConfig
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.training.course import Course
from tfctc.training.fit import deal_groups

BOTH = ("brightfield", "dapi")


def config(data, mode="distilled", distill=None, **training):
    options = {"epochs": 1, "steps_per_epoch": 3, "batch_size": 8, "precision": "float32", **training}
    return RunConfig(
        str(data), mode=mode, augment={"gain": {}}, split=SplitConfig(validation=0.25, test=0.25),
        student=ModelConfig("compact"), teacher=ModelConfig("compact", BOTH),
        distill=distill or DistillConfig(), training=TrainingConfig(**options),
    )  # fmt: skip


def quiet(_):
    pass


def changed(data, folder, change):
    """A copy of the data set whose manifest's rows `change` has had."""
    shutil.copytree(data, folder, ignore=shutil.ignore_patterns("tfrecords"))
    return edit_manifest(folder, change)


def course(settings, folder):
    """A run that has trained nothing yet."""
    manifest = Manifest.open(settings.data)
    dealt = deal_groups(settings, manifest)
    builder = build(manifest, dealt["groups"], settings.split.by, progress=quiet)
    return Course.prepare(settings, builder, folder, dealt, manifest.digest(), quiet)
