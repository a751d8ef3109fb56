"""Report of a finished run: `tfctc.write_report`."""

from pathlib import Path
from typing import TYPE_CHECKING

from tfctc.errors import ConfigError
from tfctc.progress import Progress, silent
from tfctc.report import CELLS
from tfctc.system.startup import start_tensorflow

if TYPE_CHECKING:
    from tfctc.runs.folder import RunFolder


def write_report(
    run: "str | Path | RunFolder", *, cells: int = CELLS, seed: int = 0, progress: Progress = silent
) -> Path:
    """Writes a page about an evaluated run into its folder: report.html, with all plots and pictures inside.

    It has the metrics, the cohort, learning curves, ROC and precision-recall, calibration, metrics by patient and site,
    the worst errors, saliency, robustness, and a model card. Saliency and robustness are measured on some test cells,
    and their numbers are written into report.json.

    Args:
        run: run folder, evaluated before.
        cells: largest number of test cells for robustness; saliency is measured on a quarter of them.
        seed: seed of the cells that are shown and measured.
        progress: called with the progress of long tasks.

    Returns:
        Path of report.html.

    Raises:
        TfctcError: a run that is not finished or not evaluated, or a folder that cannot be written into.
    """
    if cells < 2:
        raise ConfigError(f"cells must be 2 or more, got {cells}")
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}")
    start_tensorflow()
    from tfctc.report.run_page import write_run_page
    from tfctc.runs.folder import RunFolder

    return write_run_page(RunFolder.of(run), cells=cells, seed=seed, progress=progress)
