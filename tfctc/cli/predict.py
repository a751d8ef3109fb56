"""tfctc predict."""

import sys
from contextlib import suppress
from pathlib import Path

import click

from tfctc.api.predicting import check_output, predict, watch
from tfctc.cli.options import HELP, FiniteRange, naming_options, pairs, runtime_option
from tfctc.cli.output import ProgressBar

#: Default of --settle, in seconds.
SETTLE = 1.0
#: Exit code if the table was written but some images were refused; 2 is for a `TfctcError`.
SOME_REFUSED = 1


@click.command(
    context_settings=HELP,
    epilog="Example: tfctc predict exports/ctc/1/model_int8.tflite scans/ --files '{patient}/{cell}_{channel}.tif'",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@naming_options
@click.option(
    "--mpp", type=FiniteRange(min=0, min_open=True), help="Micrometres per pixel of the images  [default: as declared]."
)
@click.option("--rescale-mpp", is_flag=True, help="Rescale images of another scale to that of the model.")
@click.option("--threshold", type=FiniteRange(0, 1), help="Threshold of the probability.  [default: the model's]")
@click.option(
    "--prevalence",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    help="Share of the positive class among these cells: shifts the probabilities, not the labels.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads for one image.  [default: the runtime's choice]")
@runtime_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of processes.")
@click.option(
    "--watch", "watching", is_flag=True, help="Predict every new image of one folder once, until interrupted."
)
@click.option(
    "--settle",
    type=FiniteRange(min=0),
    metavar="SECONDS",
    help=f"With --watch: time without change after which a file counts as complete.  [default: {SETTLE}]",
)
@click.option(
    "-o",
    "--output",
    default="predictions.csv",
    show_default=True,
    metavar="CSV",
    help="Table of predictions; - prints it.",
)
@click.pass_context
def command(ctx, model, images, workers, watching, settle, output, **options):
    """Classify bright-field images with the TFLite file MODEL, without TensorFlow.

    IMAGES are image files, folders, and CSV files with the columns cell_id and brightfield (a manifest.csv, or the
    predictions.csv of a run). The files of a folder must be named like the training images; for other names give
    --files, --pattern or --preset. An image is refused if it cannot be read, or if its size, pixel type, bit depth or
    scale is not that of the training images. A refused image gets a row without a probability, and the exit code is 1.

    With --watch each cell gets its row as soon as its image is complete. Started again, the same command continues with
    the cells that have no row. A refused image is read again when its file changes and when the command is started
    again. If it is predicted then, the cell has two rows, and the last one counts. Where patients are known, counts.csv
    is kept up to date beside the table.
    """
    from tfctc.errors import ConfigError, OutputError
    from tfctc.inference.predictor import Predictor
    from tfctc.io.files import DISK_ERRORS, output_errors

    options["channels"] = pairs(options["channels"], "--channel")
    if watching:
        if workers > 1:
            raise ConfigError("--watch works in one process", fix="leave out --workers")
        return _watch(model, images, output, SETTLE if settle is None else settle, options)
    if settle is not None:
        raise ConfigError("--settle goes with --watch", fix="leave it out")
    options |= {"workers": workers, "on_refusal": lambda error: click.echo(f"refused: {error}", err=True)}
    if output != "-":
        check_output(output, model, images)
    made = {"mpp": options.pop("mpp"), "rescale": options.pop("rescale_mpp"), "prevalence": options.pop("prevalence")}
    predictor = Predictor(model, options.pop("threads"), options.pop("runtime"), **made)
    with ProgressBar() as progress:
        if output != "-":
            summary = predict(predictor, images, output, progress=progress, **options)
        else:
            try:
                with output_errors(output, DISK_ERRORS):
                    summary = predict(predictor, images, sys.stdout, progress=progress, **options)
                    sys.stdout.flush()
            except OutputError:
                # Otherwise Python tries to write the rest when it exits, and prints an error message of its own.
                with suppress(OSError):
                    sys.stdout.close()
                raise
    counts = ", ".join(f"{summary.calls[name]} {name}" for name in predictor.facts.labels)
    click.echo(f"Wrote {summary.cells} rows to {output}: {counts}", err=True)
    if output != "-":
        _print_counts(summary, output, predictor.facts.positive)
    for note in summary.notes:
        click.echo(f"note: {note}", err=True)
    if summary.low_quality:
        click.echo(
            f"note: {summary.low_quality} image(s) are unlike the cells trained on, see column quality", err=True
        )
    if summary.refused:
        refused = f"{summary.refused} of {summary.cells} images were refused; correct the files named above"
        click.echo(f"tfctc: error: {refused} and predict again", err=True)
        ctx.exit(SOME_REFUSED)
    click.echo(f"Next: look at the rows with call {predictor.facts.positive} in {output}", err=True)


def _print_counts(summary, output, positive):
    """Prints what was found by patient, where patients are known."""
    from tfctc.evaluation.counts import background, counts_of, counts_path

    counts = [count for count in counts_of(summary.patients, positive) if count.patient_id]
    if not counts:
        return
    most = max(counts, key=lambda count: count.calls)
    words = f"{len(counts)} patients, {min(count.calls for count in counts)} to {most.calls} cells called {positive}"
    click.echo(f"Wrote {counts_path(output)}: {words} (most in {most.patient_id})", err=True)
    if found := background(counts):
        donors, mean, highest = found
        click.echo(f"Background: {donors} controls have {mean:.1f} calls on average, {highest} at most", err=True)


def _watch(model, images, output, settle, options):
    from tfctc.errors import ConfigError

    if len(images) != 1:
        problem = f"--watch needs one existing folder, got {len(images)} paths"
        raise ConfigError(problem, fix="name the folder that images arrive in, and nothing else")
    if output == "-":
        raise ConfigError("--watch keeps its predictions in a file", fix="give --output FILE.csv")

    from tfctc.inference.batch import CALL, PROBABILITY

    def print_row(row, error):
        words = f"refused: {error}" if error else f"{row[0]}: {row[CALL]} ({float(row[PROBABILITY]):.3g})"
        click.echo(words, err=True)

    def note_other_files(name, count):
        hint = "and no PNG or TIFF to predict; do their names fit --files, or those of the training images?"
        click.echo(f"note: {count} file(s) so far, for example {name!r}, {hint}", err=True)

    watched = watch(model, images[0], output, settle=settle, on_row=print_row, **options)
    journal = watched.journal
    click.echo(f"Watching {images[0]}; {len(journal)} cells have been predicted in {output}. Ctrl-C ends.", err=True)
    try:
        watched.run(note_other_files)
    except KeyboardInterrupt:
        counts = watched.counts.path if any(patient for _, patient in journal.patients) else None
        words = f"; counts by patient are in {counts}" if counts else ""
        click.echo(f"Ended; {len(journal)} cells have been predicted in {output}{words}.", err=True)
    click.echo("Next: the same command goes on where this one ended", err=True)
