"""Pool of processes that train the runs of a comparison.

A process of the pool imports this module first. So this module must not import TensorFlow before the process has set
TensorFlow's log level.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor

from tfctc.system.processes import exit_with_parent
from tfctc.system.startup import start_tensorflow

#: Number of runs after which a process is replaced, because its memory grows with every run.
RUNS_EACH = 8


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """A pool of `workers` processes that share the machine's cores. Ctrl-C ends them without waiting for their runs."""
    # The number of cores that this process may use, if the system can tell.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, cores // workers)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start_process, (threads,), max_tasks_per_child=RUNS_EACH) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _start_process(threads: int) -> None:
    """Prepares a process of the pool. Ctrl-C ends it silently; its parent prints the message."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    exit_with_parent()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    start_tensorflow(training=True)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    # Every model has a tf.function of its own; TensorFlow warns of many as if one function were retraced.
    tf.get_logger().setLevel("ERROR")
