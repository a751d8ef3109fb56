"""Simulated data set as a folder: images, manifest.csv, dataset.json and truth.csv."""

import csv
import zlib
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from PIL import Image

from tfctc.cells import Cell
from tfctc.data.manifest import write_manifest
from tfctc.data.simulate.generate import DEFAULT, SimulationOptions, Truth, simulate_cells
from tfctc.io.files import atomic_folder
from tfctc.progress import Progress, silent, tracked

TRUTH = "truth.csv"


def write_dataset(
    folder: str | Path,
    n: int,
    *,
    seed: int,
    options: SimulationOptions = DEFAULT,
    progress: Progress = silent,
) -> Path:
    """Simulates cells and writes them one at a time, so that memory does not grow with their number.

    Args:
        folder: the folder to write.
        n: number of cells.
        seed: seed of everything, 0 or more.
        options: options of the data set.
        progress: called after each cell.

    Returns:
        The folder. It holds images/<patient>/, manifest.csv, dataset.json and truth.csv (a `Truth` on each line).

    Raises:
        ConfigError: as `simulate_cells`.
        OutputError: `folder` is not empty or cannot be written to; nothing is left behind then.
    """
    simulated = simulate_cells(n, seed=seed, options=options)
    with atomic_folder(folder) as temporary, (temporary / TRUTH).open("w", newline="", encoding="utf-8") as file:
        truths = csv.DictWriter(file, [field.name for field in fields(Truth)], lineterminator="\n")
        truths.writeheader()

        def rows() -> Iterator[Cell]:
            for one in simulated:
                (temporary / one.cell.brightfield).parent.mkdir(parents=True, exist_ok=True)
                _write_png(temporary / one.cell.brightfield, one.brightfield)
                if one.dapi is not None:
                    _write_png(temporary / one.cell.dapi, one.dapi)
                row = asdict(one.truth)
                truths.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
                yield one.cell

        write_manifest(temporary, options.facts, tracked(progress, "Simulating cells", rows(), n))
    return Path(folder)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    # Huffman coding alone: noise has no repetitions, and a search for them takes twice the time and saves nothing.
    Image.fromarray(pixels).save(path, compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)
