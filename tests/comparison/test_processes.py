"""Processes of a pool, from their start to their end."""

import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from tfctc.comparison.processes import processes

PARENT = """
import multiprocessing, time
from tfctc.comparison.processes import _end_after_parent

def work():
    print("working", flush=True)
    _end_after_parent()

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work).start()
    time.sleep(600)
"""


def test_processes_end_when_their_parent_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "working\n"
    parent.kill()
    # Both have the pipe: it ends when the last of them does. Nothing else ends this one.
    assert parent.communicate(timeout=60) == ("", None)


def test_an_interrupted_comparison_waits_for_no_run():
    with pytest.raises(KeyboardInterrupt), processes(1) as pool:
        under_way = pool.submit(time.sleep, 600)
        while not under_way.running():
            time.sleep(0.1)
        raise KeyboardInterrupt
    with pytest.raises(BrokenProcessPool):
        under_way.result()


def test_processes_share_the_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(6), raising=False)
    with processes(2) as pool:
        assert isinstance(pool, ProcessPoolExecutor)
        assert pool.submit(_threads).result() == 3


def _threads():
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads()


def test_a_process_does_not_chatter(capfd):
    with processes(1) as pool:
        assert pool.submit(_threads).result() > 0
    assert capfd.readouterr().err == ""
