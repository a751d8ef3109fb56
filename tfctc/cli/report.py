"""tfctc report."""

from pathlib import Path

import click

from tfctc.api.reporting import CELLS, write_report
from tfctc.cli.options import HELP
from tfctc.cli.output import ProgressBar, print_next


@click.command(context_settings={**HELP, "show_default": True}, epilog="Example: tfctc report runs/cells-1")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--cells",
    type=click.IntRange(min=2),
    default=CELLS,
    help="Largest number of test cells for robustness; saliency is measured on a quarter of them.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the cells shown and measured.")
def command(run, cells, seed):
    """Write a page about the evaluated run RUN: RUN/report.html.

    Metrics, cohort, learning curves, ROC and precision-recall, calibration, patients and sites, the worst errors,
    saliency and robustness of the student, and a model card. The page holds all its pictures: it needs no network.
    """
    with ProgressBar() as progress:
        page = write_report(run, cells=cells, seed=seed, progress=progress)
    click.echo(f"Wrote {page} and {page.with_suffix('.json')}.")
    print_next("tfctc", "export", run)
