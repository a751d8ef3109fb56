"""Contact sheet of augmented cells: originals in the first column, augmented in the others, bright-field above DAPI.

    python tools/evidence augmentation-sheet --pair cell_BF.png cell_DAPI.png --bit-depth 12

Without --pair the sheet shows simulated cells. All pictures of a row have the grey scale of the original, so that
changes of brightness can be seen.
"""

from itertools import islice
from pathlib import Path

import numpy as np
from common import log
from PIL import Image

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI
from tfctc.io.pixels import read_plane
from tfctc.system.startup import start_tensorflow

ZOOM = 2


def add_options(parser) -> None:
    parser.add_argument(
        "--pair", dest="pairs", nargs=2, action="append", type=Path, default=[], metavar=("BRIGHTFIELD", "DAPI"),
        help="files of one cell, may be repeated",
    )  # fmt: skip
    parser.add_argument("--bit-depth", type=int, default=16, help="significant bits of a pixel in those files")
    parser.add_argument(
        "--only", action="append", default=[], help="this operation alone, at its default strengths; may be repeated"
    )
    parser.add_argument("--columns", type=int, default=10, help="augmented versions of each cell")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")


def draw(options) -> Image.Image:
    start_tensorflow()
    import tensorflow as tf

    from tfctc.augment import Policy

    policy = Policy.from_config({name: {} for name in options.only} or None)
    pairs, bit_depth = [[read_plane(path).pixels for path in pair] for pair in options.pairs], options.bit_depth
    if not pairs:
        from tfctc.data.simulate import SimulationOptions, simulate_cells

        bit_depth = SimulationOptions().facts.bit_depth
        pairs = [[cell.brightfield, cell.dapi] for cell in islice(simulate_cells(80, seed=options.seed), 4)]
    rows = []
    for number, (brightfield, dapi) in enumerate(pairs):
        original = {
            name: tf.constant(pixels[None, ..., None] / (2**bit_depth - 1), tf.float32)
            for name, pixels in ((BRIGHTFIELD, brightfield), (DAPI, dapi))
        }
        copies = {name: tf.repeat(image, options.columns, axis=0) for name, image in original.items()}
        augmented = policy(copies, tf.constant([options.seed, number]))
        rows += [row(original[name].numpy(), augmented[name].numpy()) for name in CHANNELS]
    image = Image.fromarray((255 * np.vstack(rows)).astype(np.uint8))
    log.info("%s", policy)
    return image.resize((image.width * ZOOM, image.height * ZOOM), Image.Resampling.NEAREST)


def row(original: np.ndarray, augmented: np.ndarray) -> np.ndarray:
    """Images ``(1, H, W, 1)`` and ``(N, H, W, 1)`` side by side, scaled to [0, 1] by the range of the original."""
    low, high = original.min(), original.max()
    images = np.concatenate([original, augmented])[..., 0]
    return np.hstack(list(np.clip((images - low) / max(high - low, 1e-9), 0, 1)))
