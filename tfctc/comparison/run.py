"""Doing the runs of a grid, several at a time, each in a process of its own."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from threading import Thread

from tfctc.comparison.grid import Grid
from tfctc.comparison.results import read_results, write_results
from tfctc.errors import RunError, TfctcError
from tfctc.files import alone_in


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
    Thread(target=_end_after_parent, daemon=True).start()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from tfctc.training.devices import import_tensorflow
    from tfctc.training.hardware import switch_onednn

    switch_onednn()
    import_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    # Every model is judged by a function of its own; TensorFlow warns of many, as if they were one traced anew.
    tf.get_logger().setLevel("ERROR")


def _end_after_parent() -> None:
    """Ends this process when its parent has been killed: nobody would take what it is working on."""
    multiprocessing.parent_process().join()
    os._exit(1)


def carry_out(grid: Grid, pool: Executor, workers: int, say: Callable[[str], None]) -> None:
    """Does all runs of the grid that are not done, `workers` at a time.

    Raises:
        RunError: another process is at work in the grid's folder.
        TfctcError: what stopped a run; runs under way come to their end and are kept.
    """
    with alone_in(grid.folder, "tfctc compare"):
        if read_results(grid.folder).keys() - grid.results.keys():
            raise RunError("another tfctc compare has been at work there", path=grid.folder, fix="start it again")
        # Told now, not after the first run, if nothing can be written there.
        write_results(grid.folder, grid.results)
        _carry_out(grid, pool, workers, say)


def _carry_out(grid: Grid, pool: Executor, workers: int, say: Callable[[str], None]) -> None:
    under_way, failure = {}, None
    if any(grid.wanted()):
        # The records are written before two runs want to.
        try:
            pool.submit(_prepare, grid.samples()).result()
        except BrokenProcessPool:
            raise _killed("records") from None
    while True:
        ready = [] if failure else [job for job in grid.wanted() if job not in under_way.values()]
        for job in ready[: workers - len(under_way)]:
            under_way[pool.submit(_do, grid.config(job), grid.place(job), grid.to_judge(job))] = job
        if not under_way:
            break
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            job = under_way.pop(future)
            try:
                outcome = future.result()
            except TfctcError as error:
                failure = type(error)(f"{job}: {error.problem}", path=error.path, fix=error.fix)
                continue
            except BrokenProcessPool:
                failure = _killed(job)
                continue
            grid.add(job, replace(outcome, settings=grid.settings(job)))
            test = f"test AUROC {outcome.auroc:.3f}, " if outcome.judged else ""
            say(f"{job}: {test}validation {outcome.validation:.3f}, {outcome.seconds:.0f} s; {grid.left()} runs to go")
    if failure:
        raise failure


def _killed(what) -> RunError:
    fix = "start it again, with fewer --workers: what is finished stays"
    return RunError(f"{what}: the process was killed, perhaps for want of memory", fix=fix)


def _prepare(*arguments):
    from tfctc.comparison.work import prepare

    prepare(*arguments)


def _do(*arguments):
    from tfctc.comparison.work import do

    return do(*arguments)
