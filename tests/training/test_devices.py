"""How TensorFlow is started, with a GPU and without one."""

import subprocess
import sys

import pytest
import tensorflow as tf

from tfctc.training import devices

START = "from tfctc.training.devices import import_tensorflow; import_tensorflow()"


@pytest.fixture
def asked(monkeypatch):
    """What TensorFlow is asked for, in order; one GPU is there."""
    said = []
    config = tf.config.experimental
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"] if kind == "GPU" else [])
    monkeypatch.setattr(config, "set_memory_growth", lambda *what: said.append(what))
    monkeypatch.setattr(config, "enable_tensor_float_32_execution", lambda on: said.append(("TF32", on)))
    monkeypatch.setattr(config, "enable_op_determinism", lambda: said.append("determinism"))
    return said


def test_a_gpu_is_shared_exact_and_repeatable(asked):
    devices.import_tensorflow()
    assert asked == [("a GPU", True), ("TF32", False), "determinism"]


def test_without_a_gpu_nothing_is_changed(asked, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    devices.import_tensorflow()
    assert not asked


def test_the_start_is_quiet_and_a_failure_is_not():
    def stderr(before=""):
        return subprocess.run([sys.executable, "-c", before + START], capture_output=True, text=True).stderr

    assert stderr() == ""
    assert "ModuleNotFoundError" in stderr("import sys; sys.modules['tensorflow'] = None; ")


def test_one_device_is_tensorflows_default(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"])
    assert devices.choose_strategy() is tf.distribute.get_strategy()


def test_several_gpus_are_mirrored(monkeypatch):
    cpus = tf.config.list_logical_devices("CPU")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: cpus)
    assert isinstance(devices.choose_strategy(), tf.distribute.MirroredStrategy)
