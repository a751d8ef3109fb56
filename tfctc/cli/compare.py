"""tfctc compare."""

from pathlib import Path

import click

from tfctc.api.comparing import compare
from tfctc.cli.options import HELP
from tfctc.cli.output import print_next


@click.command(context_settings=HELP, epilog="Example: tfctc compare cells --plan plan.toml --output comparisons/cells")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--plan", required=True, type=click.Path(path_type=Path), help="TOML file with arms, label budgets and seeds."
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the comparison; continued if it exists.",
)
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Number of runs trained at a time."
)
@click.option("--report-only", is_flag=True, help="Train nothing: report the runs that are finished.")
def command(data, plan, output, workers, report_only):
    """Compare ways of training (arms) at several label budgets, with the same seeds for every arm.

    Every arm is trained on the same patients of DATA. Its learning rate is chosen on the validation split; the test
    split is read once for each run. With `folds` in the plan each run is a cross-validation over all patients. After an
    interruption the same command continues where it stopped.
    """

    def begin(runs: int) -> None:
        click.echo(f"{runs} runs to go, {workers} at a time; logs beside the runs in {output}")

    try:
        result = compare(data, plan, output, workers=workers, report_only=report_only, on_start=begin)
    except KeyboardInterrupt:
        click.echo(
            "Interrupted; of each unfinished run at most the last minute and the epoch under way are lost.", err=True
        )
        click.echo("Next: the same command goes on where this one ended", err=True)
        raise
    click.echo(f"Wrote {', '.join(map(str, result.files))}.")
    print_next("python", "-m", "webbrowser", result.files[0])
