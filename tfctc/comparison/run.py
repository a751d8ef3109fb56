"""Doing the runs of a grid, several at a time."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from tfctc.comparison.grid import Grid
from tfctc.comparison.results import read_results, write_results
from tfctc.errors import RunError, TfctcError
from tfctc.files import alone_in


def carry_out(grid: Grid, pool: Executor, workers: int, say: Callable[[str], None]) -> None:
    """Does all runs of the grid that are not done, `workers` at a time.

    Raises:
        RunError: another process is at work in the grid's folder.
        TfctcError: what stopped a run; runs under way come to their end and are kept.
    """
    with alone_in(grid.folder, "tfctc compare"):
        if read_results(grid.folder) != grid.results:
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
