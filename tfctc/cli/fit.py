"""tfctc fit."""

import shlex
from pathlib import Path

import click
from click.core import ParameterSource

from tfctc.api.evaluating import evaluate_run
from tfctc.api.fitting import next_run_folder, prepare_fit
from tfctc.cli.options import HELP
from tfctc.cli.output import ProgressBar, print_next
from tfctc.errors import ConfigError
from tfctc.io.names import counted


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
    "--backbone",
    help="Backbone of student and teacher: compact, resnet34, resnet50, densenet121, efficientnetb4  [default: by the "
    "size of the images].",
)
@click.option(
    "--epochs", type=int, help="Largest number of epochs, for student and teacher; see also distill.teacher_epochs."
)
@click.option("--init", type=click.Path(path_type=Path), help="Start from the weights of this run.")
@click.option("--seed", type=int, help="Seed of the split, the initial weights and the augmentation.")
@click.option("--folds", metavar="N|patient|site", help="Cross-validate: N folds, or leave out one at a time.")
@click.option("--repeats", type=click.IntRange(1), help="Times that the patients are assigned to folds  [default: 1].")
@click.option("--workers", type=click.IntRange(1), help="Folds trained at a time  [default: one a core, at most 4].")
@click.option("--test-site", metavar="SITE", help="Test all patients of this site; the others train and validate.")
@click.option("--dry-run", is_flag=True, help="Print what would be trained, and stop.")
def command(data, output, settings, mode, seed, folds, workers, test_site, dry_run, **options):
    """Train a teacher that sees DAPI, then the bright-field student that learns from it.

    DATA is a data set folder with a manifest (see `tfctc import`). Without it, simulated cells are written to
    `simulated/cells` and used.
    """
    from tfctc.config import parse_assignment

    settings = dict(map(parse_assignment, settings))
    for name in sorted(settings.keys() & {"data", "output", "folds", *options}):
        fix = "give the folder as the argument DATA" if name == "data" else f"give it as --{name}"
        raise ConfigError(f"--set cannot set {name}", fix=fix)
    given = {"mode": mode, "seed": seed, "split.test_site": test_site}
    settings |= {key: value for key, value in given.items() if value is not None}
    number = int(folds) if folds and folds.isdecimal() else folds
    request = prepare_fit(data, output=output, folds=number, **options, **settings)
    if workers and not request.cross_validates:
        raise ConfigError("--workers is about folds, and one run is trained", fix="give --folds too, or leave it out")
    if dry_run:
        splits = request.plan()
        click.echo(str(request.recipe))
        if splits:
            click.echo(f"\n{splits}")
        return
    if patients := request.small_cohort():
        command_line = shlex.join(["tfctc", "fit", *_as_given(click.get_current_context()), "--folds", "patient"])
        cohort = counted(patients, request.group)
        click.echo(f"One split tests few of {cohort}. To test each of them: {command_line}", err=True)
    with ProgressBar() as progress:
        folder = request.output or next_run_folder(request.name)
        try:
            run = request.run(folder, progress, workers)
        except KeyboardInterrupt:
            progress.close()
            if (folder / "config.json").exists():
                click.echo("Interrupted; at most the last minute and the epoch under way are lost.", err=True)
                print_next("tfctc", "fit", "--resume", folder, err=True)
            raise
    if request.cross_validates:
        click.echo(str(evaluate_run(run).evaluation))
        click.echo(f"Wrote the final model and its folds to {run.folder} (student.keras, folds, out_of_fold.csv).")
        print_next("tfctc", "export", run.folder)
        return
    epochs, kept = run.history("student"), run.record["best_epoch"]["student"]
    click.echo(f"Wrote the run to {run.folder} (student.keras, config.json, history.csv, logs).")
    auroc = float(epochs[kept - 1]["val_auroc"])
    click.echo(f"The student has the weights of epoch {kept} of {len(epochs)}.")
    click.echo(f"Its AUROC on the validation patients is {auroc:.3f}.")
    print_next("tfctc", "evaluate", run.folder)


def _as_given(context):
    """Arguments of the command line, but for the run folder and what is about folds."""
    words = []
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        if not given or parameter.name in ("output", "resume", "repeats", "workers"):
            continue
        value = context.params[parameter.name]
        for one in value if isinstance(value, tuple) else (value,):
            words += [str(one)] if isinstance(parameter, click.Argument) else [parameter.opts[-1], str(one)]
    return words
