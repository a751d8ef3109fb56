"""tfctc simulate."""

import click

from tfctc.api.simulating import simulate
from tfctc.cli.options import HELP
from tfctc.cli.output import ProgressBar, print_next

EPILOG = "Example: tfctc simulate simulated/cells --cells 5000 --patients 50 --seed 1"


@click.command(epilog=EPILOG, context_settings={**HELP, "show_default": True})
@click.argument("out", type=click.Path())
@click.option("--cells", type=click.IntRange(min=1), default=2000, help="Number of cells.")
@click.option("--patients", type=click.IntRange(min=1), default=40, help="Patients; each has cells of both classes.")
@click.option("--sites", type=click.IntRange(min=1), default=3, help="Sites; a patient belongs to one.")
@click.option("--size", type=int, default=64, metavar="PX", help="Height and width of an image, in pixels.")
@click.option("--mpp", type=float, default=0.64, metavar="UM", help="Micrometres per pixel.")
@click.option("--positive", type=float, default=0.5, metavar="SHARE", help="Share of CTCs.")
@click.option("--unlabelled", type=float, default=0.0, metavar="SHARE", help="Share of cells without a label.")
@click.option("--without-dapi", type=float, default=0.0, metavar="SHARE", help="Share of cells without a DAPI image.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="The same seed gives the same cells.")
def command(out, cells, seed, **options):
    """Write a data set of simulated cells into the folder OUT.

    Bright-field and DAPI images of leukocytes and CTCs, computed with a model of a microscope's optics: 12 bits in
    16-bit PNG files, with manifest.csv, dataset.json and, for analysis only, truth.csv. Results on simulated cells say
    nothing about patients.
    """
    with ProgressBar() as progress:
        written = simulate(out, cells, seed=seed, progress=progress, **options)
    click.echo(
        f"Wrote {written.cells} simulated cells of {written.patients} simulated patients at {written.sites} sites "
        f"to {written.folder}"
    )
    print_next("tfctc", "fit", written.folder)
