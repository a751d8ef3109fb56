"""tfctc import."""

from pathlib import Path

import click

from tfctc.api.importing import import_images
from tfctc.cli.options import HELP
from tfctc.cli.output import ProgressBar, print_next

EPILOG = (
    r"Example: tfctc import scans --pattern '(?P<cell>(?P<patient>[^/]+)/\d+)_(?P<channel>BF|DAPI)\.tif' "
    "--labels labels.csv --map WBC=leukocyte --map CTC=ctc --bit-depth 12 --mpp 0.64"
)


@click.command("import", context_settings=HELP, epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--pattern", help="Regular expression for a path below FOLDER; groups cell, channel [patient, site].")
@click.option("--preset", help="A known file naming in place of a pattern: deparray (unverified).")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="OLD=NEW",
    help="Channel that a name in the files stands for, e.g. trans=brightfield.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="CSV file with one row for each cell.")
@click.option("--id-column", default="cell_id", show_default=True, help="Column of cell ids in that file.")
@click.option("--label-column", default="label", show_default=True, help="Column of labels in that file.")
@click.option(
    "--patient-column", default="", help="Column of patients in that file, if the path does not contain them."
)
@click.option("--site-column", default="", help="Column of sites in that file, if the path does not contain them.")
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="OLD=NEW",
    help="Class of a label in the table, e.g. WBC=leukocyte; an empty NEW makes its cells unlabelled.",
)
@click.option("--drop", multiple=True, metavar="LABEL", help="Leave out cells with this label.")
@click.option("--classes", default="leukocyte,ctc", show_default=True, help="Negative and positive class.")
@click.option("--bit-depth", type=click.IntRange(8, 16), help="Significant bits of a pixel  [default: the files'].")
@click.option("--mpp", type=float, help="Micrometres per pixel.")
@click.option("--group-name", default="patient", show_default=True, help="What the patient ids stand for, in reports.")
@click.option("--skip-orphans", is_flag=True, help="Leave out cells without bright-field or patient.")
@click.option("--name", help="Name of the data set  [default: that of the output folder].")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="cells",
    show_default=True,
    help="Data set folder to write.",
)
def command(folder, output, channels, mapping, classes, **options):
    """Pair the image files in FOLDER by cell id, label them, check every one, and write a data set.

    The result is a folder with manifest.csv and dataset.json; the images stay where they are. A bright-field image
    without DAPI or label is kept; DAPI without bright-field is an error.
    """
    options |= {"channels": _pairs(channels, "--channel"), "mapping": _pairs(mapping, "--map")}
    with ProgressBar() as progress:
        written = import_images(folder, output, classes=classes.split(","), progress=progress, **options)
    for note in written.notes:
        click.echo(f"note: {note}")
    counts = ", ".join(f"{count} {label}" for label, count in written.cells.items())
    facts, (height, width) = written.facts, written.facts.image_size
    click.echo(
        f"Wrote {sum(written.cells.values())} cells ({counts}) in {written.groups} groups by {facts.group}, "
        f"{height} x {width} px, {facts.bit_depth} bit, to {written.folder}"
    )
    print_next("tfctc", "fit", written.folder)


def _pairs(assignments: tuple[str, ...], option: str) -> dict[str, str]:
    """OLD -> NEW, from values of an option that may be repeated."""
    from tfctc.errors import ConfigError
    from tfctc.io.names import normalised

    pairs: dict[str, str] = {}
    for text in assignments:
        old, equals, new = normalised(text).partition("=")
        # An unset variable of a shell leaves OLD empty, which would mean the label of every unlabelled cell.
        if not old.strip() or not equals:
            raise ConfigError(f"{option} expects OLD=NEW, got {text!r}")
        if pairs.setdefault(old, new) != new:
            raise ConfigError(f"{option} {old}: given as {pairs[old]!r} and as {new!r}", fix="give it once")
    return pairs
