"""The pool of processes that train the runs of a comparison.

Such a process imports this module before anything else, so nothing here imports TensorFlow before its chatter is off.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor

from tfctc.system.processes import exit_with_parent
from tfctc.system.startup import start_tensorflow

#: Runs after which a process ends, lest its memory grow.
RUNS_EACH = 8


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """A pool whose processes share the machine's cores. Interrupted, it waits for no run: what is finished is kept."""
    # The cores that this process may use, where the system can tell.
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
    """Prepares a process of the pool. Interrupted at the keyboard, it ends; the parent prints what to do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    exit_with_parent()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    start_tensorflow(training=True)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    # Every model is evaluated by a function of its own; TensorFlow warns of many, as if they were one traced anew.
    tf.get_logger().setLevel("ERROR")
