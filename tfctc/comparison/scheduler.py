"""Scheduler of a comparison: trains the runs of a grid, several at a time."""

import logging
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from tfctc.comparison.grid import Grid
from tfctc.comparison.results import Job, Outcome, read_results, write_results
from tfctc.errors import RunError
from tfctc.io.locks import folder_lock
from tfctc.system.pool import killed
from tfctc.system.pool import run_jobs as run_all

log = logging.getLogger(__name__)


def run_jobs(grid: Grid, pool: Executor, workers: int) -> None:
    """Trains all runs of the grid that are not finished, `workers` at a time.

    If a run fails, no further run is started; runs under way are finished and their results kept.

    Args:
        grid: the runs.
        pool: the processes.
        workers: number of runs at a time.

    Raises:
        RunError: another process uses the folder of the grid, or a process of the pool was killed.
        TfctcError: the error of a run that failed.
    """
    with folder_lock(grid.folder, "tfctc compare"):
        if read_results(grid.folder) != grid.results:
            raise RunError("another tfctc compare has been at work there", path=grid.folder, fix="start it again")
        # Raises now, not after the first run, if the folder cannot be written to.
        write_results(grid.folder, grid.results)
        _run_jobs(grid, pool, workers)


def _run_jobs(grid: Grid, pool: Executor, workers: int) -> None:
    if any(grid.ready()):
        # The tfrecords are written first, so that no two runs write them.
        try:
            pool.submit(_prepare_data, grid.samples()).result()
        except BrokenProcessPool:
            raise killed("preparing the data") from None

    def start(job: Job) -> Future:
        config, folder, test = grid.config(job), grid.run_folder(job), grid.may_test(job)
        if grid.folds:
            return pool.submit(_run_folds, config, folder, test, grid.teachers_folder(job))
        return pool.submit(_run_job, config, folder, test)

    def finish(job: Job, outcome: Outcome) -> None:
        grid.add(job, replace(outcome, settings=grid.settings(job)))
        where = "out-of-fold" if grid.folds else "test"
        test = f"{where} AUROC {outcome.auroc:.3f}, " if outcome.tested else ""
        log.info(
            "%s: %svalidation %.3f, %.0f s; %d runs to go",
            job, test, outcome.validation, outcome.seconds, grid.remaining(),
        )  # fmt: skip

    run_all(workers, grid.ready, start, finish)


def _prepare_data(*arguments):
    from tfctc.comparison.worker import prepare_data

    prepare_data(*arguments)


def _run_job(*arguments):
    from tfctc.comparison.worker import run_job

    return run_job(*arguments)


def _run_folds(*arguments):
    from tfctc.comparison.folds import run_folds

    return run_folds(*arguments)
