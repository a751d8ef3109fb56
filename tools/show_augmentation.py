"""Draws a contact sheet: cells as they are in the first column, augmented in the others, bright-field above DAPI.

All pictures of a row share one grey scale, that of the original, so that changes of light show.
"""

import os
from itertools import islice
from pathlib import Path

import click

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: python tools/show_augmentation.py --pair cell_BF.png cell_DAPI.png --bit-depth 12",
)
@click.option(
    "--pair", "pairs", nargs=2, multiple=True, type=Path, help="Bright-field and DAPI file of one cell; repeat."
)
@click.option("--bit-depth", default=16, show_default=True, help="Significant bits of a pixel in those files.")
@click.option("--only", multiple=True, help="This operation alone, at its default strengths; repeat for several.")
@click.option("--columns", default=10, show_default=True, help="Augmented versions of each cell.")
@click.option("--seed", default=0, show_default=True, help="Decides every draw.")
@click.option("--out", default="augmentation.png", show_default=True, type=Path, help="Picture to write.")
def main(pairs, bit_depth, only, columns, seed, out):
    """Shows what the default augmentation does to simulated cells, or to your own."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import tensorflow as tf

    from tfctc.augment import Policy
    from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI
    from tfctc.errors import TfctcError
    from tfctc.files import atomic_file
    from tfctc.images import read_pixels

    try:
        policy = Policy.from_config({name: {} for name in only} or None)
        images = [[read_pixels(path) for path in pair] for pair in pairs]
    except TfctcError as error:
        raise click.ClickException(str(error)) from None
    if not images:
        from tfctc.data.simulate import SimulationOptions, simulate_cells

        bit_depth = SimulationOptions().facts.bit_depth
        images = [[cell.brightfield, cell.dapi] for cell in islice(simulate_cells(80, seed=seed), 4)]

    rows = len(images) * len(CHANNELS)
    figure, axes = plt.subplots(rows, columns + 1, figsize=(columns + 1, rows), squeeze=False)
    for number, (brightfield, dapi) in enumerate(images):
        original = {
            name: tf.constant(pixels[None, ..., None] / (2**bit_depth - 1), tf.float32)
            for name, pixels in ((BRIGHTFIELD, brightfield), (DAPI, dapi))
        }
        copies = {name: tf.repeat(image, columns, axis=0) for name, image in original.items()}
        augmented = policy(copies, tf.constant([seed, number]))
        versions = {name: tf.concat([original[name], augmented[name]], axis=0) for name in CHANNELS}
        for row, name in enumerate(CHANNELS):
            low, high = float(tf.reduce_min(original[name])), float(tf.reduce_max(original[name]))
            for column, version in enumerate(versions[name]):
                axis = axes[number * len(CHANNELS) + row, column]
                axis.imshow(version[..., 0], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
                axis.axis("off")
    figure.subplots_adjust(0, 0, 1, 1, wspace=0.03, hspace=0.03)
    try:
        with atomic_file(out) as temporary:
            figure.savefig(temporary, dpi=120)
    except TfctcError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{policy}\nwritten to {out}")


if __name__ == "__main__":
    main()
