"""tfctc import."""

import os
from pathlib import Path

import click

from tfctc.cli.options import say_next

EPILOG = (
    r"Example: tfctc import scans --pattern '(?P<cell>(?P<patient>[^/]+)/\d+)_(?P<channel>BF|DAPI)\.tif' "
    "--labels labels.csv --map WBC=leukocyte --map CTC=ctc --bit-depth 12 --mpp 0.64"
)


@click.command(
    "import",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--pattern", help="Regular expression for a path below FOLDER; groups cell, channel [patient, site].")
@click.option("--preset", help="A known naming of files instead of a pattern: deparray (unverified).")
@click.option("--channel", "channels", multiple=True, metavar="NAME=CHANNEL", help="What the files call a channel.")
@click.option("--labels", type=click.Path(path_type=Path), help="CSV with a row a cell.")
@click.option("--id-column", default="cell_id", show_default=True, help="Its column of cell ids.")
@click.option("--label-column", default="label", show_default=True, help="Its column of labels.")
@click.option("--patient-column", default="", help="Its column of patients, if the path does not tell.")
@click.option("--site-column", default="", help="Its column of sites, if the path does not tell.")
@click.option("--map", "mapping", multiple=True, metavar="OLD=NEW", help="A label's class; empty NEW: unlabelled.")
@click.option("--drop", multiple=True, metavar="LABEL", help="Leave out cells with this label.")
@click.option("--classes", default="leukocyte,ctc", show_default=True, help="Negative and positive class.")
@click.option("--bit-depth", type=click.IntRange(8, 16), help="Significant bits of a pixel  [default: the files'].")
@click.option("--mpp", type=float, help="Micrometres per pixel.")
@click.option("--group-name", default="patient", show_default=True, help="What the patient ids really are, in reports.")
@click.option("--skip-orphans", is_flag=True, help="Leave out cells without bright-field or patient.")
@click.option("--name", help="Of the data set  [default: that of the output folder].")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="cells", show_default=True)
def command(folder, pattern, preset, channels, labels, mapping, drop, classes, name, output, **options):
    """Pair the image files in FOLDER by cell id, label them, check every one, and write a data set.

    The result is a folder with manifest.csv and dataset.json; the images stay where they are. A bright-field image
    without DAPI or label is kept; DAPI without bright-field is an error.
    """
    from tfctc.data.importers import PRESETS
    from tfctc.data.importers.folder import Description, gather, write
    from tfctc.data.importers.labels import Columns, read_labels
    from tfctc.data.importers.pairing import composed, pair
    from tfctc.errors import ConfigError

    if bool(pattern) == bool(preset):
        raise ConfigError("give either --pattern or --preset", fix="see: tfctc import --help")
    if preset:
        pattern = PRESETS[preset].pattern
        click.echo(PRESETS[preset].note)
    names = tuple(composed(part.strip()) for part in classes.split(","))
    name = name or os.path.basename(os.path.realpath(output))
    description = Description(name, names, options["bit_depth"], options["mpp"], options["group_name"])
    found = pair(folder, pattern, _pairs(channels, "--channel"))
    columns = Columns(*(options[f"{part}_column"] for part in ("id", "label", "patient", "site")))
    known = read_labels(labels, columns) if labels else {}
    left_out, mapping = set(map(composed, drop)), _pairs(mapping, "--map")
    told = {"mapping": mapping, "drop": left_out, "table": labels, "skip_orphans": options["skip_orphans"]}
    cells, report = gather(found, known, names, **told)
    with click.progressbar(length=len(cells), label="Checking images", update_min_steps=50) as bar:
        facts, notes = write(output, cells, description, bar.update)
    for note in (*report.notes, *notes):
        click.echo(f"note: {note}")
    counts = ", ".join(f"{count} {label}" for label, count in report.cells.items())
    height, width = facts.image_size
    groups = len({cell.patient_id for cell in cells})
    click.echo(
        f"Wrote {len(cells)} cells ({counts}) in {groups} groups by {facts.group}, "
        f"{height} x {width} px, {facts.bit_depth} bit, to {output}"
    )
    say_next("tfctc", "fit", output)


def _pairs(assignments: tuple[str, ...], option: str) -> dict[str, str]:
    from tfctc.data.importers.pairing import composed
    from tfctc.errors import ConfigError

    pairs: dict[str, str] = {}
    for text in assignments:
        old, equals, new = composed(text).partition("=")
        if not old.strip() or not equals:  # A shell's unset variable leaves OLD empty: every unlabelled cell.
            raise ConfigError(f"{option} expects OLD=NEW, got {text!r}")
        if pairs.setdefault(old, new) != new:
            raise ConfigError(f"{option} {old}: given as {pairs[old]!r} and as {new!r}", fix="give it once")
    return pairs
