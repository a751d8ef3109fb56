"""Comparison of ways of training: `tfctc.compare`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc.errors import RunError
from tfctc.system.startup import start_tensorflow

if TYPE_CHECKING:
    from tfctc.comparison.plan import Plan


@dataclass(frozen=True)
class Comparison:
    """Report of the finished runs of a comparison.

    Args:
        folder: folder of the comparison.
        arms: one entry for each arm and label budget, as `tfctc.comparison.summary.summarise` returns them.
        files: files of the report, the HTML page first.
    """

    folder: Path
    arms: list[dict[str, Any]]
    files: tuple[Path, ...]


def compare(
    data: str | Path,
    plan: "str | Path | Plan",
    output: str | Path,
    *,
    workers: int = 1,
    report_only: bool = False,
    on_start: Callable[[int], None] = lambda runs: None,
) -> Comparison:
    """Trains every arm of a plan at every label budget with every seed, and reports them side by side.

    After an interruption the same call continues where the last one stopped.

    Args:
        data: data set folder.
        plan: path of a plan's TOML file, or the plan itself.
        output: folder of the comparison; continued if it exists.
        workers: number of runs that are trained at the same time.
        report_only: if True, trains nothing and reports the runs that are finished.
        on_start: called before the training, with the number of runs still to be evaluated; with folds in the plan each
            run is a cross-validation.

    Raises:
        RunError: `output` holds other files or results of other settings, is in use, or has no finished run to report.
        TfctcError: data or plan that cannot be used, or the error of a run that failed.
    """
    start_tensorflow(training=not report_only)
    from tfctc.comparison.grid import Grid
    from tfctc.comparison.plan import Plan
    from tfctc.comparison.report import write_report
    from tfctc.comparison.scheduler import run_jobs
    from tfctc.comparison.summary import summarise
    from tfctc.data.manifest import Manifest
    from tfctc.system.pool import RUNS_EACH, process_pool

    chosen = plan if isinstance(plan, Plan) else Plan.load(Path(plan))
    manifest, folder = Manifest.open(data), Path(output)
    chosen = chosen.on(manifest.facts.image_size)
    grid = Grid.open(chosen, manifest, folder)
    if not report_only:
        on_start(grid.remaining())
        with process_pool(workers, runs_each=max(1, RUNS_EACH // max(1, len(grid.folds)))) as pool:
            run_jobs(grid, pool, workers)
    if not any(outcome.tested for outcome in grid.results.values()):
        raise RunError("holds no finished run to report", path=folder, fix="run without --report-only")
    arms = summarise(chosen, grid.results)
    return Comparison(folder, arms, tuple(write_report(folder, chosen, manifest.facts, arms)))
