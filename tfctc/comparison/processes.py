"""The processes that a comparison's runs are done in.

Such a process imports this module before anything else. So nothing here imports TensorFlow before it is settled how
much that says.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor

from tfctc.training.devices import import_tensorflow
from tfctc.workers import end_with_parent


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """A pool whose processes share the machine's cores and end after a few runs, lest their memory grow.

    Interrupted, it waits for none of them: what they have finished is kept.
    """
    # Those that this process may run on, where the system can tell.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, cores // workers)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start, (threads,), max_tasks_per_child=8) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _start(threads: int) -> None:
    """Interrupted at the keyboard, the parent says so; the processes that work for it end with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    # Every model is judged by a function of its own; TensorFlow warns of many, as if they were one traced anew.
    tf.get_logger().setLevel("ERROR")
