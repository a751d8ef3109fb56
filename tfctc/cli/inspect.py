"""tfctc inspect."""

from pathlib import Path

import click

from tfctc.api.inspecting import CELLS, inspect_dataset
from tfctc.cli.options import HELP
from tfctc.cli.output import ProgressBar, print_next


@click.command(context_settings={**HELP, "show_default": True}, epilog="Example: tfctc inspect cells")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    show_default="inspection inside DATA",
    help="Folder for inspection.html and inspection.json.",
)
@click.option(
    "--cells",
    type=click.IntRange(min=1),
    default=CELLS,
    help="Largest number of cells to read; of more cells a random sample is read.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the cells shown, and of the sample.")
def command(data, output, cells, seed):
    """Look for faults, leaks and shortcuts in the data set DATA before training.

    Writes one HTML page: counts, a contact sheet, intensities, registration of the channels, focus and saturation,
    near-duplicates, shortcuts. The page holds all its pictures: it needs no network. Warnings do not change the exit
    code.
    """
    with ProgressBar() as progress:
        found = inspect_dataset(data, output, seed=seed, cells=cells, progress=progress)
    click.echo(f"Wrote {found.page} and {found.values}.")
    click.echo(str(found))
    if found.missing:
        click.echo(f"Training is not possible yet: {found.missing}.")
    else:
        print_next("tfctc", "fit", data)
