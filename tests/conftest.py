"""What every test may use."""

import importlib
import os
import sys
import tempfile
from pathlib import Path

import pytest
from made_up import made_up_cells, write_cells

from tfctc.cells import DatasetFacts
from tfctc.training.devices import import_tensorflow


def pytest_configure():
    """TensorFlow as the commands start it, with two logical CPUs for MirroredStrategy.

    What tests measure of the machine is not remembered beyond them.
    """
    import_tensorflow()
    import tensorflow as tf

    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="tfctc-tests-")

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture
def tool(monkeypatch):
    """Imports a module of tools/ by its name."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "tools"), *sys.path])
    return importlib.import_module


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory):
    """A data set folder that the tests share: 48 made-up cells, 16 px, 12 bits in 16. Copy it before you change it."""
    facts = DatasetFacts("tiny", bit_depth=12, image_size=(16, 16), mpp=0.64)
    return write_cells(tmp_path_factory.mktemp("tiny"), facts, made_up_cells(facts))
