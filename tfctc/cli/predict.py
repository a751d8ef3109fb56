"""tfctc predict."""

import sys
from contextlib import suppress
from pathlib import Path

import click

from tfctc.api.predicting import predict, watch
from tfctc.cli.options import HELP, FiniteRange, runtime_option
from tfctc.cli.output import ProgressBar

#: Seconds for which a file in a watched folder must not change, unless told.
SETTLE = 1.0
#: Exit code of a command that wrote its table but refused some images; 2 is a mistake in the command.
SOME_REFUSED = 1


@click.command(
    context_settings=HELP,
    epilog="Example: tfctc predict exports/ctc/1/model_int8.tflite cells/ --pattern '(?P<cell>.+)_(?P<channel>BF).tif'",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--pattern", metavar="REGEX", help="For folders: groups cell and perhaps channel, on the path inside.")
@click.option("--threshold", type=FiniteRange(0, 1), help="Of the probability.  [default: the model's]")
@click.option("--threads", type=click.IntRange(min=1), help="For one image.  [default: the runtime's choice]")
@runtime_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes for many images.")
@click.option(
    "--watch", "watching", is_flag=True, help="Predict every new image of one folder once, until interrupted."
)
@click.option(
    "--settle",
    type=FiniteRange(min=0),
    metavar="SECONDS",
    help=f"With --watch: a file that has not changed for so long is complete.  [default: {SETTLE}]",
)
@click.option(
    "-o", "--output", default="predictions.csv", show_default=True, metavar="CSV", help="Results; - prints them."
)
@click.pass_context
def command(ctx, model, images, workers, watching, settle, output, **options):
    """Classify bright-field images with the TFLite file MODEL, without TensorFlow.

    IMAGES are image files, folders, and CSV files with the columns cell_id and brightfield (a manifest.csv, or the
    predictions.csv of a run). An image that is not of the model's kind is refused: a row without a probability, and
    exit code 1 at the end.

    With --watch each cell gets its row as it comes, and the same command, started again after whatever happened, goes
    on with the cells that have none. A refused image is read again when its file changes and when the command is
    started again; if it is predicted then, the cell has two rows, of which the last counts.
    """
    from tfctc.errors import ConfigError, OutputError
    from tfctc.inference.predictor import Predictor
    from tfctc.io.files import DISK_ERRORS, output_errors

    if watching:
        if workers > 1:
            raise ConfigError("--watch works in one process", fix="leave out --workers")
        return _watch(model, images, output, SETTLE if settle is None else settle, options)
    if settle is not None:
        raise ConfigError("--settle goes with --watch", fix="leave it out")
    options |= {"workers": workers, "on_refusal": lambda error: click.echo(f"refused: {error}", err=True)}
    if output != "-":
        _check_output(output, model, images)
    predictor = Predictor(model, options.pop("threads"), options.pop("runtime"))
    with ProgressBar() as progress:
        if output != "-":
            summary = predict(predictor, images, output, progress=progress, **options)
        else:
            try:
                with output_errors(output, DISK_ERRORS):
                    summary = predict(predictor, images, sys.stdout, progress=progress, **options)
                    sys.stdout.flush()
            except OutputError:
                # Otherwise Python tries again at its end to write what is left, and prints its own words.
                with suppress(OSError):
                    sys.stdout.close()
                raise
    counts = ", ".join(f"{summary.labels[name]} {name}" for name in predictor.facts.classes)
    click.echo(f"Wrote {summary.cells} rows to {output}: {counts}", err=True)
    if summary.unlike:
        click.echo(f"note: {summary.unlike} image(s) are unlike those trained on, see column quality", err=True)
    if summary.refused:
        refused = f"{summary.refused} of {summary.cells} images were refused; mend the files named above"
        click.echo(f"tfctc: error: {refused} and predict again", err=True)
        ctx.exit(SOME_REFUSED)
    click.echo(f"Next: look at the rows with label {predictor.facts.positive} in {output}", err=True)


def _check_output(output, model, images):
    from tfctc.api.predicting import check_output

    check_output(output, model, images)


def _watch(model, images, output, settle, options):
    from tfctc.errors import ConfigError

    if len(images) != 1:
        raise ConfigError("--watch wants one folder", fix="name the folder that images arrive in, and nothing else")
    if output == "-":
        raise ConfigError("--watch keeps its predictions in a file", fix="give --output FILE.csv")

    def tell(row, error):
        click.echo(f"refused: {error}" if error else f"{row[0]}: {row[2]} ({float(row[1]):.3f})", err=True)

    def tell_of_other_files(name, count):
        what = "and no PNG or TIFF to predict; does --pattern match the whole path?"
        click.echo(f"note: {count} file(s) so far, {name!r} for one, {what}", err=True)

    watched = watch(model, images[0], output, settle=settle, on_row=tell, **options)
    journal = watched.journal
    click.echo(f"Watching {images[0]}; {len(journal)} cells have been predicted in {output}. Ctrl-C ends.", err=True)
    try:
        watched.run(tell_of_other_files)
    except KeyboardInterrupt:
        click.echo(f"Ended; {len(journal)} cells have been predicted in {output}.", err=True)
    click.echo("Next: the same command goes on where this one ended", err=True)
