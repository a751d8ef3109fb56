"""tfctc compare."""

from pathlib import Path

import click

from tfctc.cli.options import say_next


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tfctc compare cells --plan plan.toml --output comparisons/cells",
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--plan", "plan_file", required=True, type=click.Path(path_type=Path), help="TOML file of what to compare."
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder, gone on with if it exists."
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Runs at a time.")
@click.option("--report-only", is_flag=True, help="Train nothing: report the runs that are done.")
def command(data, plan_file, output, workers, report_only):
    """Set ways of training against each other: arms x label budgets x seeds, paired.

    Every arm is trained on the same patients of DATA. Its learning rate is chosen on the validation split; the test
    split is read once for each run. Interrupted, the same command goes on where it stopped.
    """
    from tfctc.training.devices import import_tensorflow
    from tfctc.training.hardware import switch_onednn

    if not report_only:
        switch_onednn(click.echo)
    import_tensorflow()
    from tfctc.comparison.grid import Grid
    from tfctc.comparison.plan import Plan
    from tfctc.comparison.processes import processes
    from tfctc.comparison.report import write_report
    from tfctc.comparison.run import carry_out
    from tfctc.data.manifest import Manifest
    from tfctc.errors import RunError

    plan = Plan.load(plan_file)
    grid = Grid.open(plan, data, output)
    if not report_only:
        click.echo(f"{grid.left()} runs to be judged, {workers} at a time; logs beside the runs in {output}")
        try:
            with processes(workers) as pool:
                carry_out(grid, pool, workers, click.echo)
        except KeyboardInterrupt:
            click.echo("Interrupted; of each run at most the last minute and the epoch under way are lost.", err=True)
            click.echo("Next: the same command goes on where this one ended", err=True)
            raise
    if not any(outcome.judged for outcome in grid.results.values()):
        raise RunError("holds no finished run to report", path=output, fix="run without --report-only")
    written = write_report(output, plan, Manifest.open(data).facts, grid.results)
    click.echo(f"Wrote {', '.join(map(str, written))}.")
    say_next("python", "-m", "webbrowser", written[0])
