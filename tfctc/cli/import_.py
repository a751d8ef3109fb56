"""tfctc import."""

import csv
import shlex
from pathlib import Path

import click

from tfctc.api.importing import import_images, preview_images
from tfctc.cli.options import HELP, naming_options, pairs
from tfctc.cli.output import ProgressBar, print_next

EPILOG = (
    "Example: tfctc import scans --files '{patient}/{cell}_{channel}.tif' --labels labels.csv --map WBC=leukocyte "
    "--map CTC=ctc --bit-depth 12 --mpp 0.64"
)


@click.command("import", context_settings=HELP, epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path))
@naming_options
@click.option("--dry-run", is_flag=True, help="Show a few files with their parts and count cells; write nothing.")
@click.option("--labels", type=click.Path(path_type=Path), help="Table with one row for each cell: CSV or .xlsx.")
@click.option(
    "--id-column",
    multiple=True,
    default=["cell_id"],
    show_default=True,
    help="Column of cell ids in that table; several are joined like the id.",
)
@click.option("--label-column", default="label", show_default=True, help="Column of labels in that table.")
@click.option("--patient-column", default="", help="Column of patients in that table, if the path does not have them.")
@click.option("--site-column", default="", help="Column of sites in that table, if the path does not have them.")
@click.option("--split-column", default="", help="Column of given splits in that table: train, validation or test.")
@click.option("--delimiter", help="Character between the columns of that table  [default: recognised].")
@click.option("--skip-lines", type=click.IntRange(0), help="Lines above its header  [default: recognised].")
@click.option("--sheet", help="Sheet of an .xlsx table  [default: the only one].")
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="OLD=NEW",
    help="Class of a label, e.g. WBC=leukocyte; an empty NEW makes its cells unlabelled.",
)
@click.option("--drop", multiple=True, metavar="LABEL", help="Leave out cells with this label.")
@click.option("--classes", default="leukocyte,ctc", show_default=True, help="Negative and positive class.")
@click.option(
    "--other",
    multiple=True,
    metavar="LABEL,...",
    help="Labels of neither class, e.g. debris,doublet: they become a third class, other.",
)
@click.option(
    "--bit-depth",
    multiple=True,
    metavar="BITS",
    help="Significant bits of a pixel, 8 to 16; CHANNEL=BITS for one channel  [default: the files'].",
)
@click.option("--binning", multiple=True, metavar="dapi=N", help="DAPI was binned N x N on the camera.")
@click.option("--size", metavar="PX", help="Crop or pad every image to this side, or HEIGHTxWIDTH; never resized.")
@click.option("--mpp", type=float, help="Micrometres per pixel  [default: as the files declare].")
@click.option("--rescale-mpp", type=float, metavar="MPP", help="Rescale the images to these micrometres per pixel.")
@click.option("--group-name", default="patient", show_default=True, help="What the patient ids stand for, in reports.")
@click.option("--skip-orphans", is_flag=True, help="Leave out cells without bright-field or patient.")
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be used; skipped.csv lists them.")
@click.option("--copy", is_flag=True, help="Pack the pixels into the data set, so that it can be moved alone.")
@click.option("--name", help="Name of the data set  [default: that of the output folder].")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="cells",
    show_default=True,
    help="Data set folder to write.",
)
def command(
    folder, output, dry_run, mapping, classes, other, bit_depth, binning, size, delimiter, skip_lines, sheet, **options
):
    """Pair the image files in FOLDER by cell id, label them, check every one, and write a data set.

    The result is a folder with manifest.csv and dataset.json; the images stay where they are. A bright-field image
    without DAPI or label is kept; DAPI without bright-field is an error. Without --files, --pattern or --preset the
    command proposes templates that fit the names, and ends.
    """
    from tfctc.errors import ConfigError

    naming = {name: options.pop(name) for name in ("files", "pattern", "preset", "cell_id", "channels")}
    naming |= {"channels": pairs(naming["channels"], "--channel")}
    naming |= {name: options.pop(name) for name in ("planes", "first_plane")}
    if dry_run:
        return _preview(folder, naming)
    if options["labels"] is None:
        given = {"--patient-column": options["patient_column"], "--site-column": options["site_column"]}
        given |= {"--split-column": options["split_column"]}
        given |= {"--delimiter": delimiter, "--skip-lines": skip_lines, "--sheet": sheet}
        for option in (name for name, value in given.items() if value):
            raise ConfigError(f"{option} is about the label table", fix="give --labels too, or leave it out")
    formats = {"delimiter": _character(delimiter), "skip_lines": skip_lines, "sheet": sheet}
    with ProgressBar() as progress:
        written = import_images(
            folder,
            output,
            mapping=pairs(mapping, "--map"),
            classes=classes.split(","),
            other=[label for labels in other for label in next(csv.reader([labels], skipinitialspace=True))],
            bit_depth=_bit_depth(bit_depth),
            binning=_numbers(binning, "--binning"),
            size=_size(size),
            table_format={name: value for name, value in formats.items() if value is not None},
            progress=progress,
            **naming,
            **options,
        )
    for note in written.notes:
        click.echo(f"note: {note}")
    counts = ", ".join(f"{count} {label}" for label, count in written.cells.items())
    facts, (height, width) = written.facts, written.facts.image_size
    depth = f"{facts.bit_depth} bit" + (f" (DAPI {facts.dapi_bit_depth} bit)" if facts.dapi_bit_depth else "")
    click.echo(
        f"Wrote {sum(written.cells.values())} cells ({counts}) in {written.groups} groups by {facts.group}, "
        f"{height} x {width} px, {depth}, to {written.folder}"
    )
    click.echo(f"Before training, look at the cells: tfctc inspect {shlex.quote(str(written.folder))}")
    if written.missing:
        click.echo(f"tfctc fit cannot train on it yet: {'; '.join(written.missing)}")
    else:
        print_next("tfctc", "fit", written.folder, *([] if written.can_teach else ["--mode", "brightfield"]))


def _preview(folder, naming):
    found = preview_images(folder, **naming)
    for path, groups in found.examples:
        click.echo(f"{path}: {', '.join(f'{name} {text}' for name, text in groups.items())}")
    for note in found.notes:
        click.echo(f"note: {note}")
    counts = ", ".join(f"{count} {kind}" for kind, count in found.files.items() if count)
    click.echo(f"Files: {counts}. Cells: {found.cells}, {found.paired} with both channels. Nothing was written.")
    click.echo("Next: the same command without --dry-run")


def _character(delimiter):
    return {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)


def _size(text):
    from tfctc.errors import ConfigError

    if text is None:
        return None
    sides = text.lower().split("x")
    if not 1 <= len(sides) <= 2 or not all(side.strip().isdecimal() and int(side) for side in sides):
        raise ConfigError(
            f"--size expects a number of pixels, or HEIGHTxWIDTH, got {text!r}", fix="for example --size 48"
        )
    return int(sides[0]), int(sides[-1])


def _bit_depth(values):
    """Channel -> bits; a number without a channel is for the channels that are not named."""
    from tfctc.cells import CHANNELS
    from tfctc.errors import ConfigError

    general = {text for text in values if "=" not in text}
    if len(general) > 1:
        raise ConfigError(f"--bit-depth is given as {' and as '.join(sorted(general))}", fix="give it once")
    depths = {channel: _number(text, "--bit-depth") for text in general for channel in CHANNELS}
    return depths | _numbers((text for text in values if "=" in text), "--bit-depth")


def _numbers(values, option):
    return {name: _number(text, option) for name, text in pairs(values, option).items()}


def _number(text, option):
    from tfctc.errors import ConfigError

    if not text.strip().isdecimal():
        fix = f"for example {shlex.join([option, 'dapi=2' if option == '--binning' else '12'])}"
        raise ConfigError(f"{option} expects a whole number, got {text!r}", fix=fix)
    return int(text)
