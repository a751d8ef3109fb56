"""tfctc fit."""

from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import click

from tfctc.cli.options import say_next


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tfctc fit cells --backbone compact --set training.epochs=30",
)
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Run folder  [default: runs/NAME-N].")
@click.option("--resume", type=click.Path(path_type=Path), help="Continue the interrupted run in this folder.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="JSON or TOML file of settings.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. training.epochs=30.")
@click.option("--mode", help="distilled, brightfield (no DAPI), dapi-augmented or self-training.")
@click.option("--backbone", help="Of student and teacher: resnet50, resnet34, densenet121, efficientnetb4, compact.")
@click.option("--epochs", type=int, help="At most this many, for student and teacher; see also distill.teacher_epochs.")
@click.option("--init", "earlier", type=click.Path(path_type=Path), help="Start from the weights of this run.")
@click.option("--seed", type=int, help="Decides the split, the initial weights and the augmentation.")
def command(data, output, resume, config_file, settings, mode, backbone, epochs, earlier, seed):
    """Train a DAPI-informed teacher, then the bright-field student it teaches.

    DATA is a data set folder with a manifest (see `tfctc import`). Without it, simulated cells are written to
    `simulated/cells` and used.
    """
    from tfctc.training.devices import import_tensorflow
    from tfctc.training.hardware import switch_onednn

    switch_onednn(click.echo)
    import_tensorflow()
    from tfctc import config as configs
    from tfctc.config import RunConfig
    from tfctc.errors import ConfigError, RunError
    from tfctc.files import is_file
    from tfctc.training.checks import check_names
    from tfctc.training.run import CONFIG, STUDENT, TEACHER, Run, check_data

    given = (data, output, config_file, settings, mode, backbone, epochs, earlier, seed)
    if resume:
        if any(value not in (None, ()) for value in given):
            raise ConfigError("--resume goes on with the settings that the run began with", fix="give nothing else")
        if not is_file(resume / CONFIG, RunError):
            raise RunError("is not a run folder", path=resume, fix="give the folder of an interrupted tfctc fit")
        config, output = configs.load(RunConfig, resume / CONFIG), resume
        check_data(config, output)
    else:
        changes = {"mode": mode, "training.epochs": epochs, "seed": seed}
        changes |= {"student.backbone": backbone, "teacher.backbone": backbone}
        if earlier:
            found = Run.open(earlier).folder.resolve()
            changes |= {"student.weights": str(found / STUDENT)}
            changes |= {"teacher.weights": str(found / TEACHER) if (found / TEACHER).exists() else None}
        changes = {key: value for key, value in changes.items() if value is not None}
        changes = dict(map(configs.parse_assignment, settings)) | changes
        base = configs.load(RunConfig, config_file) if config_file else RunConfig()
        config = configs.from_dict(RunConfig, configs.with_changes(configs.to_dict(base), changes))
        if earlier and config.taught_by and not (found / TEACHER).exists():
            click.echo(f"{earlier} has no teacher to start from, or several: the teachers start anew.")
        # Before cells are simulated for a mistake.
        check_names(config)
        manifest = _manifest(data or (Path(config.data) if config.data else None), config.seed)
        config = _from_anywhere(replace(config, data=str(manifest.folder)))
        output = output or _next_free(Path("runs"), manifest.facts.name)

    from tfctc.training.fit import fit

    try:
        run = fit(config, output, say=click.echo)
    except KeyboardInterrupt:
        if (output / CONFIG).exists():
            click.echo("Interrupted; at most the last minute and the epoch under way are lost.", err=True)
            say_next("tfctc", "fit", "--resume", output, err=True)
        raise
    click.echo(f"Wrote the run to {run.folder} (student.keras, config.json, history.csv, logs).")
    say_next("tfctc", "evaluate", run.folder)


def _from_anywhere(config):
    """Its paths made absolute: a run is gone on with, and evaluated, from other folders too."""

    def absolute(path):
        return path if path in (None, "none", "imagenet") else str(Path(path).resolve())

    def network(part):
        return replace(part, weights=absolute(part.weights))

    distill = replace(config.distill, teachers=absolute(config.distill.teachers))
    networks = {"student": network(config.student), "teacher": network(config.teacher)}
    return replace(config, data=absolute(config.data), distill=distill, **networks)


def _manifest(data: Path | None, seed: int):
    from tfctc.data.manifest import Manifest

    if data is None:
        data = Path("simulated", "cells")
        if not data.exists():
            from tfctc.data.simulate import write_dataset

            click.echo(f"No data given: writing simulated cells to {data}.")
            write_dataset(data, 2000, seed=seed)
        click.echo(f"Using the simulated cells in {data}.")
    return Manifest.open(data)


def _next_free(folder: Path, name: str) -> Path:
    """Makes it, so that of two commands started together each has its own."""
    from tfctc.files import as_output_errors

    with as_output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        path = folder / f"{name}-{number}"
        with as_output_errors(path), suppress(FileExistsError):
            path.mkdir()
            return path
