"""Processes of a pool, from their start to their end."""

import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from tfctc.system.pool import process_pool


def test_an_interrupted_comparison_waits_for_no_run():
    with pytest.raises(KeyboardInterrupt), process_pool(1) as pool:
        under_way = pool.submit(time.sleep, 600)
        while not under_way.running():
            time.sleep(0.1)
        raise KeyboardInterrupt
    with pytest.raises(BrokenProcessPool):
        under_way.result()


def test_processes_share_the_cores_and_print_nothing(monkeypatch, capfd):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(6), raising=False)
    with process_pool(2) as pool:
        assert isinstance(pool, ProcessPoolExecutor)
        assert pool.submit(_threads).result() == 3
    assert capfd.readouterr() == ("", "")


def _threads():
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads()
