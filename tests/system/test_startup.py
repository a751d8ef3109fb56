"""Starting TensorFlow: its devices, its messages, and oneDNN. A made-up `tensorflow` stands in where it can."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from tfctc.system import startup

START = "from tfctc.system.startup import start_tensorflow; start_tensorflow()"
#: A package `tensorflow` that says what it found when it was imported.
MADE_UP = """
import os, types
os.write(2, b"I0000 oneDNN custom operations are on\\n")
if "FAIL" in os.environ:
    raise ImportError("no such instruction")
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
config = types.SimpleNamespace(list_physical_devices=lambda kind: [])
"""
STARTS = """
import platform, sys
platform.machine = lambda: sys.argv[1]
from tfctc.system.startup import start_tensorflow
start_tensorflow(*[True] * (sys.argv[2] == "training"))
"""


@pytest.fixture
def asked(monkeypatch):
    """Calls to TensorFlow, in order, on a machine with one GPU."""
    said = []
    config = tf.config.experimental
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"] if kind == "GPU" else [])
    monkeypatch.setattr(config, "set_memory_growth", lambda *what: said.append(what))
    monkeypatch.setattr(config, "enable_tensor_float_32_execution", lambda on: said.append(("TF32", on)))
    monkeypatch.setattr(config, "enable_op_determinism", lambda: said.append("determinism"))
    return said


def test_a_gpu_is_shared_exact_and_repeatable(asked):
    startup.start_tensorflow()
    assert asked == [("a GPU", True), ("TF32", False), "determinism"]


def test_without_a_gpu_nothing_is_changed(asked, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    startup.start_tensorflow()
    assert not asked


def test_the_start_is_quiet():
    """With the real TensorFlow."""
    assert subprocess.run([sys.executable, "-c", START], capture_output=True, text=True).stderr == ""


@pytest.fixture
def start(tmp_path):
    """Starts the made-up TensorFlow in a process of its own."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(MADE_UP)

    def run(machine="x86_64", purpose="training", **environment):
        variables = {name: value for name, value in os.environ.items() if name != startup.ONEDNN}
        variables |= {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])} | environment
        command = [sys.executable, "-c", STARTS, machine, purpose]
        return subprocess.run(command, env=variables, capture_output=True, text=True)

    return run


def test_what_tensorflow_writes_is_held_back_unless_it_fails(start):
    assert start().stderr == ""
    failed = start(FAIL="1")
    assert failed.returncode == 1
    assert failed.stderr.startswith("I0000 oneDNN") and failed.stderr.endswith("ImportError: no such instruction\n")


@pytest.mark.parametrize(
    ("machine", "purpose", "given", "expected"),
    [
        ("x86_64", "training", None, "1"),
        ("AMD64", "training", None, "1"),
        ("x86_64", "training", "0", "0"),
        ("x86_64", "training", "1", "1"),
        ("x86_64", "predicting", None, "None"),
        ("x86_64", "predicting", "0", "0"),
        ("aarch64", "training", None, "None"),
    ],
)
def test_onednn_trains_on_x86_and_the_users_word_counts(start, machine, purpose, given, expected):
    """TensorFlow reads the variable when it is imported: it must be there by then."""
    done = start(machine, purpose, **({} if given is None else {startup.ONEDNN: given}))
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")


@pytest.mark.parametrize("devices", [[], ["a GPU"]])
def test_a_gpu_is_one_that_tensorflow_sees(monkeypatch, devices):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices if kind == "GPU" else ["a CPU"])
    assert startup.has_gpu() == bool(devices)


def test_one_device_is_tensorflows_default(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"])
    assert startup.choose_strategy() is tf.distribute.get_strategy()


def test_several_gpus_are_mirrored(monkeypatch):
    cpus = tf.config.list_logical_devices("CPU")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: cpus)
    assert isinstance(startup.choose_strategy(), tf.distribute.MirroredStrategy)
