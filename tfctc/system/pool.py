"""Pool of processes that train runs, and the loop that keeps it busy.

A process of the pool imports this module first. So this module must not import TensorFlow before the process has set
TensorFlow's log level.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from tfctc.errors import RunError, TfctcError
from tfctc.system.processes import exit_with_parent
from tfctc.system.startup import start_tensorflow

J = TypeVar("J", bound=Hashable)
#: Number of runs after which a process is replaced, because its memory grows with every run.
RUNS_EACH = 8


@contextlib.contextmanager
def process_pool(workers: int, threads: int | None = None, runs_each: int = RUNS_EACH) -> Iterator[Executor]:
    """A pool of processes. Ctrl-C ends them without waiting for their runs.

    Args:
        workers: number of processes.
        threads: threads of each; None shares the machine's cores. Rounding differs with the number of threads, and so
            do the trained weights: a fixed number gives the same weights for any number of processes.
        runs_each: number of tasks after which a process is replaced; lower where a task trains several runs.
    """
    threads = threads or max(1, available_cores() // workers)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start_process, (threads,), max_tasks_per_child=runs_each) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def available_cores() -> int:
    """Number of cores that this process may use, if the system can tell; else those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    workers: int,
    ready: Callable[[], Iterable[J]],
    start: Callable[[J], Future],
    finish: Callable[[J, Any], None],
) -> None:
    """Runs jobs until none is ready, `workers` at a time.

    If a job fails, no further job is started; jobs under way are finished and their results kept.

    Args:
        workers: number of jobs at a time.
        ready: function that returns the jobs that are not done and can start now, those under way included.
        start: function that submits a job to a pool.
        finish: function that keeps the result of a job; from then on the job must not be ready.

    Raises:
        RunError: a process of the pool was killed.
        TfctcError: the error of a job that failed.
    """
    under_way: dict[Future, J] = {}
    failure: TfctcError | None = None
    while True:
        waiting = [] if failure else [job for job in ready() if job not in under_way.values()]
        for job in waiting[: workers - len(under_way)]:
            under_way[start(job)] = job
        if not under_way:
            break
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            job = under_way.pop(future)
            try:
                result = future.result()
            except TfctcError as error:
                failure = type(error)(f"{job}: {error.problem}", path=error.path, fix=error.fix)
            except BrokenProcessPool:
                failure = killed(str(job))
            else:
                finish(job, result)
    if failure:
        raise failure


def killed(work: str) -> RunError:
    """The error for work whose process was killed."""
    fix = "start the command again, with fewer --workers; finished runs are kept"
    return RunError(f"{work}: the process was killed, perhaps for lack of memory", fix=fix)


@contextlib.contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Writes the log of the package into a file, and only there, while the block runs."""
    logger, handler = logging.getLogger("tfctc"), logging.FileHandler(path, encoding="utf-8")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # Otherwise absl's handler prints the lines of every process.
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        handler.close()


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
