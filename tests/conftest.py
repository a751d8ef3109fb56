"""Fixtures and settings of all tests."""

import gc
import logging
import os

import pytest
from made_up import made_up_cells, write_cells

from tfctc.cells import DatasetFacts
from tfctc.system.startup import start_tensorflow


def pytest_configure():
    """TensorFlow as the commands start it, with two logical CPUs for MirroredStrategy.

    Tests that run side by side compute in one thread each: with more they wait for each other.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1")
    start_tensorflow(training=True)
    import tensorflow as tf
    from tiny_backbone import register_tiny

    register_tiny()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, lest one process wait for the other at the end.

    Coverage does not measure slow tests: it makes a training much slower.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    for item in slow:
        item.add_marker("no_cover")
    first = {item.path for item in slow}
    items.sort(key=lambda item: item.path not in first)


def pytest_collection_finish():
    """Garbage collection leaves alone what has been imported: collecting would look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@pytest.fixture(autouse=True)
def log_as_before():
    """Undoes, after every test, what a command does to the package's log: it has it printed, and nowhere else."""
    yield
    logger = logging.getLogger("tfctc")
    logger.handlers[:] = [handler for handler in logger.handlers if type(handler).__name__ != "_EchoHandler"]
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory):
    """A data set folder that the tests share: 48 made-up cells, 16 px, 12 bits in 16. Copy it before you change it."""
    facts = DatasetFacts("tiny", bit_depth=12, image_size=(16, 16), mpp=0.64)
    return write_cells(tmp_path_factory.mktemp("tiny"), facts, made_up_cells(facts))


@pytest.fixture(scope="session")
def distilled_run(tiny_dataset, tmp_path_factory):
    """A finished run of mode distilled on the tiny data set, of a few steps. Copy its folder before you change it."""
    from small_runs import config

    from tfctc.training.fit import fit

    return fit(config(tiny_dataset), tmp_path_factory.mktemp("distilled") / "run")


@pytest.fixture(scope="session")
def brightfield_run(tiny_dataset, tmp_path_factory):
    """A finished run of mode brightfield on the tiny data set, of a few steps. Copy its folder before you change it."""
    from small_runs import config

    from tfctc.training.fit import fit

    return fit(config(tiny_dataset, "brightfield"), tmp_path_factory.mktemp("brightfield") / "run")


@pytest.fixture(scope="session")
def journey(tiny_dataset, tmp_path_factory):
    """Data set, run and exported version of the commands fit, evaluate and export. Copy them before you change them."""
    from journey import travel

    return travel(tiny_dataset, tmp_path_factory.mktemp("journey"))
