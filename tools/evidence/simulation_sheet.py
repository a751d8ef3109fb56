"""Contact sheet of simulated cells: one row of pairs for each kind of cell, bright-field above DAPI.

    python tools/evidence simulation-sheet --out docs/evidence/simulation/sheet.png

The rows are CTCs, neutrophils, lymphocytes, monocytes and activated leukocytes.
"""

from collections import defaultdict

import numpy as np
from common import log
from PIL import Image

from tfctc.data.simulate import SimulatedCell, simulate_cells

KINDS = ("ctc", "neutrophil", "lymphocyte", "monocyte", "activated")
COLUMNS, ZOOM = 8, 2


def add_options(parser) -> None:
    parser.add_argument("--seed", type=int, default=0)


def tile(cell: SimulatedCell) -> np.ndarray:
    """Bright-field above DAPI, ``(2 H, W)`` in [0, 1], with the same grey scale for all cells."""
    brightfield = cell.brightfield / np.median(cell.brightfield) - 0.5
    return np.clip(np.vstack([brightfield, (cell.dapi - 100.0) / 2400]), 0, 1)


def draw(options) -> Image.Image:
    found = defaultdict(list)
    for cell in simulate_cells(1_000, seed=options.seed):
        found[cell.truth.kind].append(tile(cell))
    sheet = np.vstack([np.hstack(found[kind][:COLUMNS]) for kind in KINDS])
    image = Image.fromarray((255 * sheet).astype(np.uint8))
    log.info("from the top: %s", ", ".join(KINDS))
    return image.resize((image.width * ZOOM, image.height * ZOOM), Image.Resampling.NEAREST)
