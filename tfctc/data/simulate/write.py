"""A simulated data set as a folder: images, manifest.csv, dataset.json, truth.csv."""

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
    """Simulates `n` cells into `folder`, one at a time, so that memory does not grow with `n`.

    Args:
        progress: called after each cell.

    Returns:
        The folder, which then holds images/<patient>/, manifest.csv, dataset.json and truth.csv (a `Truth` a line).

    Raises:
        ConfigError: as `simulate_cells`.
        OutputError: `folder` is not empty or cannot be written to; nothing is left behind then.
    """
    simulated = simulate_cells(n, seed=seed, options=options)
    with atomic_folder(folder) as room, (room / TRUTH).open("w", newline="", encoding="utf-8") as file:
        truths = csv.DictWriter(file, [field.name for field in fields(Truth)], lineterminator="\n")
        truths.writeheader()

        def rows() -> Iterator[Cell]:
            for one in simulated:
                (room / one.cell.brightfield).parent.mkdir(parents=True, exist_ok=True)
                _write_png(room / one.cell.brightfield, one.brightfield)
                if one.dapi is not None:
                    _write_png(room / one.cell.dapi, one.dapi)
                row = asdict(one.truth)
                truths.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
                yield one.cell

        write_manifest(room, options.facts, tracked(progress, "Simulating cells", rows(), n))
    return Path(folder)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    # Noise never repeats: looking for repetitions takes twice the time and saves nothing.
    Image.fromarray(pixels).save(path, compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)
