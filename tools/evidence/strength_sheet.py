"""Picture of each augmentation for the catalogue: the same simulated cells without it, at its default and strong.

    python tools/evidence strength-sheet --out docs/catalogue/augmentations

`--out` is a folder; it gets one PNG for each registered augmentation. Each block of a picture shows the same cells,
bright-field above DAPI. The two augmented blocks have the same random numbers, so the right block shows the change of
the middle one, but stronger. Every cell has the grey scale of its original. DAPI is shown as its square root, so that
haze and noise on its dark background can be seen.
"""

import dataclasses
from itertools import islice

import numpy as np
from augmentation_sheet import row
from common import log
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI
from tfctc.system.startup import start_tensorflow

#: Factor from the default strength to a strong one, which is limited by the largest strength allowed.
STRONG = 4
#: Height and width of a cell in pixels, their zoom, and the grey levels of a picture: few, for a small file.
SIZE, ZOOM, GREYS = 40, 3, 48
DPI = 100
TITLES = {BRIGHTFIELD: "bright-field", DAPI: "DAPI"}


def add_options(parser) -> None:
    parser.add_argument("--only", action="append", default=[], help="this operation alone; may be repeated")
    parser.add_argument("--cells", type=int, default=3, help="number of cells (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the cells and of the augmentation")


def draw(options) -> dict[str, Image.Image]:
    """Name of an augmentation -> its picture."""
    start_tensorflow()
    import tensorflow as tf

    from tfctc.augment import AUGMENTATIONS

    tf.get_logger().setLevel("ERROR")  # Every operation has its own tf.function; TensorFlow warns of many.
    cells = simulated_cells(options.cells, options.seed)
    pictures = {}
    for name in options.only or AUGMENTATIONS:
        pictures[name] = picture(name, cells, options.seed)
        log.info("%s", name)
    return pictures


def simulated_cells(number: int, seed: int) -> dict[str, np.ndarray]:
    """Channel -> images ``(number, H, W, 1)`` in [0, 1]."""
    from tfctc.data.simulate import SimulationOptions, simulate_cells

    options = SimulationOptions(size=SIZE)
    cells = list(islice(simulate_cells(80, seed=seed, options=options), number))
    images = {channel: np.stack([getattr(cell, channel) for cell in cells]) for channel in CHANNELS}
    return {channel: np.float32(x[..., np.newaxis] / options.facts.full_scale) for channel, x in images.items()}


def strengths(name: str, times: float) -> dict[str, float]:
    """Strengths of an augmentation: its defaults times a factor, limited by the largest strengths allowed."""
    from tfctc.augment import AUGMENTATIONS

    fields = dataclasses.fields(AUGMENTATIONS[name])
    return {field.name: min(times * field.default, field.metadata["most"]) for field in fields}


def augmented(name: str, strengths: dict[str, float], cells: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """The cells after one augmentation, clipped to [0, 1] as in training."""
    import tensorflow as tf

    from tfctc.augment import Policy

    policy = Policy.from_config({name: strengths})
    changed = policy({channel: tf.constant(x) for channel, x in cells.items()}, tf.constant([seed, 0]))
    return {channel: images.numpy() for channel, images in changed.items()}


def picture(name: str, cells: dict[str, np.ndarray], seed: int) -> Image.Image:
    """Picture of up to three blocks of cells side by side, with the strengths above them."""
    blocks = [("off", cells)]
    for title, times in (("default", 1), ("strong", STRONG)):
        chosen = strengths(name, times)
        if title == "strong" and chosen == strengths(name, 1):
            continue  # The default is already the largest strength.
        words = ", ".join(f"{key} {value:g}" for key, value in chosen.items())
        blocks.append((f"{title}: {words}", augmented(name, chosen, cells, seed)))
    number, height, width, _ = cells[BRIGHTFIELD].shape
    sizes = np.array([number * width * len(blocks), 2 * height]) * ZOOM
    left, top, gap = 26, 22, 12
    total = sizes + (left + gap * (len(blocks) - 1), top)
    figure = Figure(figsize=tuple(total / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    for place, (title, images) in enumerate(blocks):
        x = left + place * (number * width * ZOOM + gap)
        axis = figure.add_axes((x / total[0], 0, number * width * ZOOM / total[0], sizes[1] / total[1]))
        axis.imshow(block(cells, images), cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axis.set_axis_off()
        figure.text(x / total[0], 1 - 15 / total[1], title, fontsize=9)
    for place, channel in enumerate(CHANNELS):
        y = (sizes[1] - (place + 0.5) * height * ZOOM) / total[1]
        figure.text(9 / total[0], y, TITLES[channel], fontsize=9, rotation=90, ha="center", va="center")
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("L").quantize(GREYS)


def block(originals: dict[str, np.ndarray], images: dict[str, np.ndarray]) -> np.ndarray:
    """Cells side by side, bright-field above DAPI, ``(2 H, number W)`` in [0, 1], in grey scales of the originals."""
    width = originals[BRIGHTFIELD].shape[2]
    rows = []
    for channel in CHANNELS:
        pairs = zip(originals[channel], images[channel], strict=True)
        # `row` puts the original first, which is cut off here.
        shown = np.hstack([row(one[np.newaxis], other[np.newaxis])[:, width:] for one, other in pairs])
        rows.append(np.sqrt(shown) if channel == DAPI else shown)
    return np.vstack(rows)
