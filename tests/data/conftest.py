"""A data set with gaps, and the package's log lines."""

import shutil

import pytest
from kept_log import kept_log
from made_up import edit_manifest

from tfctc.config import RunConfig
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits


@pytest.fixture
def copied(tiny_dataset, tmp_path):
    """A copy of the made-up data set, to be changed, without tfrecords."""
    return shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))


@pytest.fixture(scope="session")
def partly_dataset(tiny_dataset, tmp_path_factory):
    """The made-up data set, but every third cell without a label, every fourth without DAPI. Do not change it."""
    folder = tmp_path_factory.mktemp("partly") / "data"
    shutil.copytree(tiny_dataset, folder, ignore=shutil.ignore_patterns("tfrecords"))

    def edit(rows):
        for i, row in enumerate(rows):
            row["label"] = "" if i % 3 == 0 else row["label"]
            row["dapi"] = "" if i % 4 == 0 else row["dapi"]

    return edit_manifest(folder, edit)


@pytest.fixture(scope="session")
def partly(partly_dataset):
    """The builder of `partly_dataset`."""
    manifest = Manifest.open(partly_dataset)
    return build(manifest, Splits.make(manifest, RunConfig()))


@pytest.fixture
def logged():
    """Log lines of the package."""
    with kept_log() as lines:
        yield lines
