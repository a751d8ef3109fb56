"""tfctc predict."""

from contextlib import suppress
from pathlib import Path

import click

from tfctc.cli.options import FiniteRange, runtime_option

#: Seconds for which a file in a watched folder must not change, unless told.
SETTLE = 1.0
#: Seconds between two looks at a watched folder, at the least, where nothing is new.
SHORTEST_REST = 0.05


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tfctc predict exports/ctc/1/model_int8.tflite cells/ --pattern '(?P<cell>.+)_(?P<channel>BF).tif'",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--pattern", metavar="REGEX", help="For folders: groups cell and perhaps channel, on the path inside.")
@click.option("--threshold", type=FiniteRange(0, 1), help="Of the probability.  [default: the model's]")
@click.option("--threads", type=click.IntRange(min=1), help="For one image.  [default: the runtime's choice]")
@runtime_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes for many images.")
@click.option("--watch", is_flag=True, help="Answer every new image of one folder once, until interrupted.")
@click.option(
    "--settle",
    type=FiniteRange(min=0),
    metavar="SECONDS",
    help=f"With --watch: a file that has not changed for so long is complete.  [default: {SETTLE}]",
)
@click.option(
    "-o", "--output", default="predictions.csv", show_default=True, metavar="CSV", help="Results; - prints them."
)
def command(model, images, pattern, threshold, threads, runtime, workers, watch, settle, output):
    """Classify bright-field images with the TFLite file MODEL, without TensorFlow.

    IMAGES are image files, folders, and CSV files with the columns cell_id and brightfield (a manifest.csv, or the
    predictions.csv of a run). An image that is not of the model's kind is refused: a row without a probability, and
    exit code 2 at the end.

    With --watch the results are a journal: each cell gets its row as it comes, and the same command, started again
    after whatever happened, goes on with the cells that have none. A refused image is read again when its file changes
    and when the command is started again; if it is answered then, the cell has two rows, of which the last counts.
    """
    from tfctc.errors import ConfigError, ImageError, OutputError
    from tfctc.files import DISK, as_output_errors, atomic_file
    from tfctc.inference.batch import columns, predict_cells, refuse_other_table
    from tfctc.inference.predictor import Predictor
    from tfctc.inference.sources import find_cells

    if output != "-":
        _refuse_input(output, model, images)
    if watch and workers > 1:
        raise ConfigError("--watch works in one process", fix="leave out --workers")
    if settle is not None and not watch:
        raise ConfigError("--settle goes with --watch", fix="leave it out")
    predictor = Predictor(model, threads, runtime)
    if watch:
        return _watch(predictor, images, pattern, threshold, SETTLE if settle is None else settle, output)
    if output != "-":
        refuse_other_table(output, columns(predictor))
    cells = find_cells(images, pattern)

    def write(file):
        stderr = click.get_text_stream("stderr")
        with click.progressbar(length=len(cells), label="Predicting", file=stderr, update_min_steps=20) as bar:
            say = lambda error: click.echo(f"refused: {error}", err=True)  # noqa: E731
            return predict_cells(predictor, cells, file, threshold, say, bar.update, workers)

    if output == "-":
        stdout = click.get_text_stream("stdout")
        try:
            with as_output_errors(output, DISK):
                labels, refused, unlike = write(stdout)
                stdout.flush()
        except OutputError:
            # Or Python tries again at its end to write what is left, and has its own words for it.
            with suppress(OSError):
                stdout.close()
            raise
    else:
        with atomic_file(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            labels, refused, unlike = write(file)
    counts = ", ".join(f"{labels[name]} {name}" for name in predictor.facts.classes)
    click.echo(f"Wrote {len(cells)} rows to {output}: {counts}", err=True)
    if unlike:
        click.echo(f"note: {unlike} image(s) are unlike those trained on, see column quality", err=True)
    if refused:
        raise ImageError(
            f"{refused} of {len(cells)} images were refused", fix="mend the files named above and predict again"
        )
    click.echo(f"Next: look at the rows with label {predictor.facts.positive} in {output}", err=True)


def _refuse_input(output, model, images):
    """Raises if what is written would take the place of what is read, as with a shell's `-o cells/*.png`."""
    from os.path import realpath

    from tfctc.errors import OutputError
    from tfctc.images import SUFFIXES

    problem = None
    if output.lower().endswith((*SUFFIXES, ".tflite")):
        problem = "is the name of an image or a model"
    elif realpath(output) == realpath(model):
        problem = "is the model"
    elif realpath(output) in map(realpath, images):
        problem = "is among the images"
    if problem:
        raise OutputError(problem, path=output, fix="choose another --output")


def _watch(predictor, images, pattern, threshold, settle, output):
    import time

    from tfctc.errors import ConfigError, ImageError
    from tfctc.files import is_folder
    from tfctc.inference.batch import columns
    from tfctc.inference.journal import Journal
    from tfctc.inference.sources import compiled
    from tfctc.inference.watch import Watcher

    if len(images) != 1 or not is_folder(images[0], ImageError):
        raise ConfigError("--watch wants one folder", fix="name the folder that images arrive in, and nothing else")
    if output == "-":
        raise ConfigError("--watch keeps its answers in a file", fix="give --output FILE.csv")

    def tell(row, error):
        click.echo(f"refused: {error}" if error else f"{row[0]}: {row[2]} ({float(row[1]):.3f})", err=True)

    expression = compiled(pattern)  # Before there is a journal, which would be left behind.
    journal = Journal(output, columns(predictor), predictor.model_version)
    watcher = Watcher(predictor, images[0], journal, expression, threshold, settle, tell)
    click.echo(f"Watching {images[0]}; {len(journal)} cells have been answered in {output}. Ctrl-C ends.", err=True)
    told = False
    try:
        while True:
            if not watcher.look():
                told = told or _tells_of_others(watcher)
                time.sleep(min(max(settle / 2, SHORTEST_REST), 1.0))
    except KeyboardInterrupt:
        click.echo(f"Ended; {len(journal)} cells have been answered in {output}.", err=True)
    finally:
        journal.close()
    click.echo("Next: the same command goes on where this one ended", err=True)


def _tells_of_others(watcher) -> bool:
    """Whether there is an image to answer, or other files alone, which it says."""
    from os.path import realpath

    from tfctc.data.importers.pairing import image_files
    from tfctc.inference.sources import in_folder

    if any(in_folder(watcher.folder, watcher.pattern)):
        return True
    journal = realpath(watcher.journal.path)
    others = [path for path in image_files(watcher.folder, ("",)) if realpath(path) != journal]
    if others:
        name = others[0].relative_to(watcher.folder).as_posix()
        what = "and no PNG or TIFF that is to be answered; does --pattern match the whole path?"
        click.echo(f"note: {len(others)} file(s) so far, {name!r} for one, {what}", err=True)
    return bool(others)
