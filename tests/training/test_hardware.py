"""Choices measured once a machine and remembered."""

import json
import sys

import pytest

from tfctc.config import ModelConfig
from tfctc.training import hardware


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tfctc" / "machine.json"


@pytest.fixture
def before_tensorflow(monkeypatch):
    monkeypatch.delenv(hardware.ONEDNN, raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


def measured(monkeypatch, name, seconds):
    """Replaces a measurement by given seconds; returns what it was asked for."""
    asked = []
    monkeypatch.setattr(hardware, name, lambda way, *_: asked.append(way) or seconds[way])
    return asked


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [
        ({"0": 3.0, "1": 1.0}, "1"),
        ({"0": 1.0, "1": 3.0}, "0"),
        # Not clearly faster: TensorFlow's plain kernels stay.
        ({"0": 1.05, "1": 1.0}, "0"),
    ],
)
def test_onednn_is_what_was_faster_and_measured_once(cache, before_tensorflow, monkeypatch, seconds, answer):
    asked, said = measured(monkeypatch, "_probe", seconds), []
    for _ in range(2):
        monkeypatch.delenv(hardware.ONEDNN, raising=False)
        hardware.switch_onednn(said.append)
        assert hardware.os.environ[hardware.ONEDNN] == answer
    assert asked == ["0", "1"] and len(said) == 1
    (answers,) = json.loads(cache.read_text()).values()
    assert answers["oneDNN"] == {"answer": answer, "seconds": seconds}


def test_the_users_word_on_onednn_counts(cache, before_tensorflow, monkeypatch):
    monkeypatch.setenv(hardware.ONEDNN, "0")
    asked = measured(monkeypatch, "_probe", {"0": 3.0, "1": 1.0})
    hardware.switch_onednn()
    assert hardware.os.environ[hardware.ONEDNN] == "0" and not asked


def test_once_tensorflow_is_there_it_is_too_late(cache, monkeypatch):
    monkeypatch.delenv(hardware.ONEDNN, raising=False)
    asked = measured(monkeypatch, "_probe", {"0": 3.0, "1": 1.0})
    hardware.switch_onednn()
    assert hardware.ONEDNN not in hardware.os.environ and not asked


def test_precision_is_asked_for_each_network_and_size(cache, monkeypatch):
    asked = measured(monkeypatch, "_step_seconds", {"float32": 2.0, "mixed_bfloat16": 1.0})
    for size in ((32, 32), (64, 64), (32, 32)):
        assert hardware.choose_precision(ModelConfig("compact"), size, 8) == "bfloat16"
    assert asked == ["float32", "mixed_bfloat16"] * 2


def test_precision_is_asked_anew_for_a_process_of_fewer_threads(cache, monkeypatch):
    """As those of a comparison are: what 16 bits gain goes with the threads."""
    asked = measured(monkeypatch, "_step_seconds", {"float32": 2.0, "mixed_bfloat16": 1.0})
    for threads in (0, 1, 0):
        monkeypatch.setattr("tensorflow.config.threading.get_intra_op_parallelism_threads", lambda n=threads: n)
        hardware.choose_precision(ModelConfig("compact"), (32, 32), 8)
    assert asked == ["float32", "mixed_bfloat16"] * 2


@pytest.mark.parametrize("text", ["{", "[]", '{"a machine": 1}'])
def test_a_file_that_says_nothing_is_written_anew(cache, monkeypatch, text):
    measured(monkeypatch, "_step_seconds", {"float32": 1.0, "mixed_bfloat16": 1.0})
    cache.parent.mkdir()
    cache.write_text(text)
    assert hardware.choose_precision(ModelConfig("compact"), (32, 32), 8) == "float32"
    assert "compact" in cache.read_text()


def test_a_home_that_cannot_be_written_to_is_no_obstacle(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    asked = measured(monkeypatch, "_step_seconds", {"float32": 1.0, "mixed_bfloat16": 1.0})
    for _ in range(2):
        assert hardware.choose_precision(ModelConfig("compact"), (32, 32), 8) == "float32"
    assert len(asked) == 4


def test_the_measurements_run(cache):
    assert hardware.choose_precision(ModelConfig("compact"), (16, 16), 4) in ("float32", "bfloat16")
    assert 0 < hardware._probe("0") < 10
