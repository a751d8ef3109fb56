"""A contact sheet of simulated cells: one row of pairs a kind, bright-field above DAPI.

python tools/simulation_sheet.py docs/evidence/simulation/sheet.png
"""

import argparse
from collections import defaultdict

import numpy as np
from PIL import Image

from tfctc.data.simulate import SimulatedCell, simulate_cells
from tfctc.files import atomic_file

KINDS = ("ctc", "neutrophil", "lymphocyte", "monocyte", "activated")
COLUMNS, ZOOM = 8, 2


def tile(cell: SimulatedCell) -> np.ndarray:
    """``(2 H, W)`` in [0, 1]; one grey scale for all cells, so that brightness may be compared."""
    brightfield = cell.brightfield / np.median(cell.brightfield) - 0.5
    return np.clip(np.vstack([brightfield, (cell.dapi - 100.0) / 2400]), 0, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = defaultdict(list)
    for cell in simulate_cells(1_000, seed=args.seed):
        found[cell.truth.kind].append(tile(cell))
    sheet = np.vstack([np.hstack(found[kind][:COLUMNS]) for kind in KINDS])
    image = Image.fromarray((255 * sheet).astype(np.uint8))
    with atomic_file(args.out) as temporary:
        image.resize((image.width * ZOOM, image.height * ZOOM), Image.Resampling.NEAREST).save(temporary, optimize=True)
    print(f"from the top: {', '.join(KINDS)}; written to {args.out}")


if __name__ == "__main__":
    main()
