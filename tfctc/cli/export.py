"""tfctc export."""

from pathlib import Path

import click
from click.core import ParameterSource

from tfctc.api.exporting import QUANTIZE, export
from tfctc.api.verifying import verify as verify_version
from tfctc.cli.options import HELP, FiniteRange, runtime_option
from tfctc.cli.output import ProgressBar, print_next


@click.command(
    context_settings=HELP,
    epilog="Example: tfctc export runs/simulated-1 --name ctc --quantize none --quantize int8",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--tflite", is_flag=True, help="Write TFLite files. Without any option: SavedModel and TFLite.")
@click.option("--saved-model", is_flag=True, help="Write a SavedModel.")
@click.option(
    "--quantize",
    multiple=True,
    type=click.Choice(QUANTIZE),
    help="TFLite files to write, may be repeated; implies --tflite. mixed: int8 except for the first layers. auto: the "
    "smallest file whose loss of F1 is within --f1-bound.  "
    "[default: none, and int8 if it is close enough to Keras]",
)
@click.option(
    "--f1-bound",
    type=FiniteRange(0, 1),
    default=0.01,
    show_default=True,
    help="With auto: largest loss of F1 allowed on validation, at the upper end of its 95 % interval by patient.",
)
@click.option("--accept", is_flag=True, help="Export although the evaluation has cautions; the model card has them.")
@click.option(
    "--verify", is_flag=True, help="RUN is an exported version: check its files and predictions, write nothing."
)
@runtime_option
@click.option("--name", help="Name of the model.  [default: name of the run]")
@click.option(
    "--output", type=click.Path(path_type=Path), default="exports", show_default=True, help="Folder of all exports."
)
def command(run, verify, runtime, output, **options):
    """Write the bright-field-only model of RUN to OUTPUT/NAME/VERSION/, with a manifest and a model card.

    Every file is compared with the Keras model on cells of the validation split; if a file that was asked for differs
    too much, nothing is written. The threshold is the one that the last `tfctc evaluate` of the student wrote into RUN.
    An evaluation with cautions is exported with --accept only. OUTPUT/NAME is a base path for TensorFlow Serving. With
    --verify, which needs no TensorFlow, RUN is a folder OUTPUT/NAME/VERSION.
    """
    if verify:
        _refuse_other_options()
        return _verify(run, runtime)
    if runtime != "litert":
        raise click.UsageError("--runtime goes with --verify: leave out --runtime: an export runs LiteRT")
    with ProgressBar() as progress:
        version = export(run, output, progress=progress, **options)
    click.echo(f"Wrote {', '.join(sorted(p.name for p in version.folder.iterdir()))} to {version.folder}")
    if version.tflite:
        print_next("tfctc", "predict", version.tflite[0], run / "predictions.csv" if version.evaluated else "IMAGES")
    else:
        print_next("saved_model_cli", "show", "--dir", version.folder, "--all")


def _refuse_other_options() -> None:
    """Refuses options that would be ignored beside --verify."""
    context = click.get_current_context()
    others = {"tflite", "saved_model", "quantize", "f1_bound", "name", "output", "accept"}
    given = [p for p in others if context.get_parameter_source(p) is ParameterSource.COMMANDLINE]
    if given:
        names = ", ".join(sorted("--" + name.replace("_", "-") for name in given))
        raise click.UsageError(f"--verify writes nothing: leave out {names}")


def _verify(folder: Path, runtime: str) -> None:
    found = verify_version(folder, runtime)
    for name, (measure, value) in found.differences.items():
        click.echo(f"{name}: {measure} {value:.1e} from Keras")
    click.echo(f"Verified {found.model_version} in {folder}: every file is unchanged.")
    for model in found.tflite[:1]:
        print_next("tfctc", "predict", model, "IMAGES")
