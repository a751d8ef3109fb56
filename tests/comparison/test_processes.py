"""Processes of a pool, from their start to their end."""

import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from tfctc.comparison.processes import processes


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
