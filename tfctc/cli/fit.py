"""tfctc fit."""

from pathlib import Path

import click

from tfctc.api.fitting import next_run_folder, prepare_fit
from tfctc.cli.options import HELP
from tfctc.cli.output import ProgressBar, print_next


@click.command(
    context_settings=HELP,
    epilog="Example: tfctc fit cells --backbone compact --set training.epochs=30",
)
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Run folder  [default: runs/NAME-N].")
@click.option("--resume", type=click.Path(path_type=Path), help="Continue the interrupted run in this folder.")
@click.option("--config", type=click.Path(path_type=Path), help="JSON or TOML file of settings.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. training.epochs=30.")
@click.option("--mode", help="distilled (default), brightfield (no DAPI), dapi-augmented or self-training.")
@click.option(
    "--backbone", help="Backbone of student and teacher: resnet50, resnet34, densenet121, efficientnetb4, compact."
)
@click.option(
    "--epochs", type=int, help="Largest number of epochs, for student and teacher; see also distill.teacher_epochs."
)
@click.option("--init", type=click.Path(path_type=Path), help="Start from the weights of this run.")
@click.option("--seed", type=int, help="Seed of the split, the initial weights and the augmentation.")
@click.option("--test-site", metavar="SITE", help="Test all patients of this site; the others train and validate.")
@click.option("--dry-run", is_flag=True, help="Print what would be trained, and stop.")
def command(data, output, settings, mode, seed, test_site, dry_run, **options):
    """Train a teacher that sees DAPI, then the bright-field student that learns from it.

    DATA is a data set folder with a manifest (see `tfctc import`). Without it, simulated cells are written to
    `simulated/cells` and used.
    """
    from tfctc.config import parse_assignment

    settings = dict(map(parse_assignment, settings))
    given = {"mode": mode, "seed": seed, "split.test_site": test_site}
    settings |= {key: value for key, value in given.items() if value is not None}
    request = prepare_fit(data, output=output, **options, **settings)
    if dry_run:
        splits = request.plan()
        click.echo(str(request.recipe))
        if splits:
            click.echo(f"\n{splits}")
        return
    with ProgressBar() as progress:
        folder = request.output or next_run_folder(request.name)
        try:
            run = request.run(folder, progress)
        except KeyboardInterrupt:
            progress.close()
            if (folder / "config.json").exists():
                click.echo("Interrupted; at most the last minute and the epoch under way are lost.", err=True)
                print_next("tfctc", "fit", "--resume", folder, err=True)
            raise
    epochs, best = run.history("student"), run.record["best_epoch"]["student"]
    click.echo(f"Wrote the run to {run.folder} (student.keras, config.json, history.csv, logs).")
    auroc = float(epochs[best - 1]["val_auroc"])
    click.echo(f"The student's best epoch is {best} of {len(epochs)}: AUROC {auroc:.3f} on the validation patients.")
    print_next("tfctc", "evaluate", run.folder)
